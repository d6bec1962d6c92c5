"""A job while it runs, in memory: what its nodes were told, and what they have answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from fleetfold_master.jobs.dispatch import Outgoing
from fleetfold_master.jobs.rollout import RolloutPlan, RolloutStanding, plan_of
from fleetfold_master.jobs.task import Ending, Task, command_id
from fleetfold_master.store.columns import digest
from fleetfold_shared.messages import Callback, Caller, Command, Job, JobState, Outcome, Params, Run

__all__ = ["RunningJob", "digest_of", "patience_of", "state_of"]


@dataclass(slots=True)
class RunningJob:
    """A job that has not ended. Every change is in the database before it is here. `begun` of its tasks have begun,
    in their order; `settled` counts those that have an ending, on its way to the disk too; `ended` and `bad` what is
    committed. `role` is the caller's. `cancelling` is who wants it stopped, while that is on its way to the disk and
    from then on.
    """

    run: Run
    digest: str
    caller: str
    created_at: float
    tasks: list[Task]
    plan: RolloutPlan
    cancelled_by: str | None = None
    cancelling: str | None = None
    note: str | None = None
    ended_at: float | None = None
    begun: int = 0
    settled: int = 0
    ended: int = 0
    bad: int = 0
    resume_at: float | None = None
    role: str = ""
    watchers: tuple[asyncio.Event, ...] = ()
    waiting: tuple[asyncio.Future[None], ...] = ()
    _by_node: dict[str, Task] | None = None
    _turn: asyncio.Lock | None = None

    def __post_init__(self) -> None:
        self.cancelling = self.cancelled_by
        for task in self.tasks:
            self.begun += task.begun
            if task.ending is not None:
                self.settled += 1
                self.ended += 1
                self.bad += task.ending.outcome != "ok"
        if self.begun < len(self.tasks):
            self.resume_at = self.tasks[self.begun].began_at

    @classmethod
    def of(
        cls, run: Run, targets: Iterable[str], caller: str, now: float, *, held: bool = False, role: str = ""
    ) -> RunningJob:
        """A new job, its first batch begun, or nothing when it is `held`. `InvalidInput` for a plan that is none."""
        tasks = [Task(node, position) for position, node in enumerate(dict.fromkeys(targets))]
        plan = plan_of(run, len(tasks))
        for task in () if held else tasks[: plan.batch]:
            task.begin(now, patience_of(run))
        return cls(run, digest_of(run, caller), caller, now, tasks, plan, role=role)

    @property
    def id(self) -> str:
        """Chosen by the caller."""
        return self.run.id

    @property
    def action(self) -> str:
        """What runs."""
        return self.run.action

    @property
    def params(self) -> Params:
        """What it is given."""
        return self.run.params

    @property
    def callback(self) -> Callback | None:
        """Who is told of its end."""
        return self.run.callback

    @property
    def patience_s(self) -> float:
        """What all tries together may take."""
        return patience_of(self.run)

    @property
    def turn(self) -> asyncio.Lock:
        """One decision about what begins at a time."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        return self._turn

    @property
    def complete(self) -> bool:
        """Every task has its ending, if only on its way to the disk."""
        return self.settled == len(self.tasks)

    def task_of(self, node: str) -> Task | None:
        """This node's task."""
        if len(self.tasks) == 1:
            return self.tasks[0] if self.tasks[0].node == node else None
        if self._by_node is None:
            self._by_node = {task.node: task for task in self.tasks}
        return self._by_node.get(node)

    def outgoing(self, task: Task) -> Outgoing:
        """The command for a task, as it is to be sent now."""
        run = self.run
        command = Command(
            id=command_id(run.id, task.node),
            attempt=task.attempt,
            action=run.action,
            params=run.params,
            timeout_s=run.timeout_s,
            start_within_s=run.start_within_s,
            heartbeat_s=run.heartbeat_s,
            overall_s=run.overall_s,
            retry=run.retry,
            caller=Caller(self.caller, self.role),
        )
        return Outgoing(task.node, command)

    def open_tasks(self) -> Iterator[Task]:
        """Those that were told to run and have not been heard of."""
        return (task for task in self.tasks if task.open)

    def unbegun(self) -> list[Task]:
        """Those whose turn has not come, and that have not ended without."""
        return [task for task in self.tasks[self.begun :] if task.ending is None and task.writing is None]

    def standing(self) -> RolloutStanding:
        """How far the roll-out is."""
        return RolloutStanding(self.begun, self.ended, self.bad, self.resume_at)

    def begin(self, tasks: Sequence[Task], now: float) -> None:
        """The turn of the next `tasks` has come."""
        for task in tasks:
            task.begin(now, self.patience_s)
        self.begun += len(tasks)
        self.resume_at = None

    def write(self, task: Task, ending: Ending) -> None:
        """An ending is on its way to the disk."""
        self.settled += task.ending is None and task.writing is None
        task.writing = ending

    def unwrite(self, task: Task, ending: Ending) -> None:
        """It is not on its way any more; if it has not arrived, nothing has happened."""
        if task.writing is ending:
            task.writing = None
            self.settled -= task.ending is None

    def end_task(self, task: Task, ending: Ending) -> None:
        """An ending is on the disk."""
        before = task.ending
        if before is not None and before.answered:
            return
        self.ended += before is None
        self.bad += (ending.outcome != "ok") - (before is not None and before.outcome != "ok")
        task.ending = ending

    def changed(self) -> None:
        """Tell whoever follows it."""
        for watcher in self.watchers:
            watcher.set()

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change."""
        watcher = asyncio.Event()
        self.watchers = (*self.watchers, watcher)
        try:
            yield watcher
        finally:
            self.watchers = tuple(each for each in self.watchers if each is not watcher)

    async def until_ended(self, timeout_s: float) -> None:
        """Return when it has ended, or after `timeout_s`."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(timeout_s, _release, over)
        self.waiting = (*self.waiting, over)
        try:
            if self.ended_at is None:
                await over
        finally:
            timer.cancel()
            self.waiting = tuple(each for each in self.waiting if each is not over)

    def end(self, now: float) -> None:
        """Nothing is missing any more."""
        self.ended_at = now
        for over in self.waiting:
            _release(over)

    def verdict(self) -> JobState:
        """The job's state, counting what is just being written."""
        latest = [task.writing or task.ending for task in self.tasks]
        return state_of([each.outcome if each else None for each in latest], self.cancelling)

    def outcomes(self) -> dict[str, Outcome]:
        """How each node ended, counting what is just being written."""
        latest = {task.node: task.writing or task.ending for task in self.tasks}
        return {node: ending.outcome for node, ending in latest.items() if ending is not None}

    def view(self) -> Job:
        """The job as its caller sees it: what is committed."""
        return Job(
            id=self.id,
            action=self.action,
            params=self.params,
            state=state_of([task.ending.outcome if task.ending else None for task in self.tasks], self.cancelled_by),
            nodes=[task.view() for task in self.tasks],
            caller=self.caller,
            created_at=self.created_at,
            ended_at=self.ended_at,
            cancelled_by=self.cancelled_by,
            note=self.note,
        )


def _release(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


def patience_of(run: Run) -> float:
    """Seconds that a task has from its begin, over all its tries."""
    return run.timeout_s if run.overall_s is None else run.overall_s


def state_of(outcomes: Sequence[Outcome | None], cancelled_by: str | None = None) -> JobState:
    """`running` while one is missing; then `ok` when all are, else `cancelled` if somebody wanted that, `failed` when
    none is ok, `partly` otherwise.
    """
    if None in outcomes:
        return "running"
    good = outcomes.count("ok")
    if good == len(outcomes):
        return "ok"
    return "cancelled" if cancelled_by is not None else "partly" if good else "failed"


def digest_of(run: Run, caller: str) -> str:
    """What a run asks for, and who asks: the same id with another digest is a conflict. How long it is waited for and
    that it was confirmed make no other job of it.
    """
    content = [msgspec.structs.replace(run, wait_ms=0, confirmed=False), caller]
    return digest(content)
