"""The in-memory model of a running job: what was sent to its nodes, and what they answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from fleetfold_master.jobs.command_dispatch import Outgoing
from fleetfold_master.jobs.rollout import RolloutPlan, RolloutProgress, plan_of
from fleetfold_master.jobs.task import Ending, Task, command_id
from fleetfold_master.store.row_helpers import digest
from fleetfold_shared.concurrency import resolve_if_open
from fleetfold_shared.messages import Callback, Caller, Command, Job, JobState, Outcome, Params, Run

__all__ = ["RunningJob", "digest_of", "state_of", "time_limit_of"]


@dataclass(slots=True)
class RunningJob:
    """A job that has not ended. Every change is committed before it is applied here.

    `begun` is how many of its tasks have begun, in order; `settled` counts tasks with an ending, including those
    being written; `ended` and `bad` count committed ones. `role` is the caller's. `cancelling` names who cancelled
    it, from the moment that this is being written.
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
        """Create a job with its first batch begun, or nothing begun if `held`. Raises `InvalidInput` for an invalid
        plan."""
        tasks = [Task(node, position) for position, node in enumerate(dict.fromkeys(targets))]
        plan = plan_of(run, len(tasks))
        for task in () if held else tasks[: plan.batch]:
            task.begin(now, time_limit_of(run))
        return cls(run, digest_of(run, caller), caller, now, tasks, plan, role=role)

    @property
    def id(self) -> str:
        """The job's id, chosen by the caller."""
        return self.run.id

    @property
    def action(self) -> str:
        """The action's name."""
        return self.run.action

    @property
    def params(self) -> Params:
        """The action's parameters."""
        return self.run.params

    @property
    def callback(self) -> Callback | None:
        """The callback to notify of the job's end."""
        return self.run.callback

    @property
    def time_limit_s(self) -> float:
        """Time limit in seconds for all tries together."""
        return time_limit_of(self.run)

    @property
    def turn(self) -> asyncio.Lock:
        """A lock: one decision about what begins next at a time."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        return self._turn

    @property
    def complete(self) -> bool:
        """Whether every task has an ending, including those being written."""
        return self.settled == len(self.tasks)

    def task_of(self, node: str) -> Task | None:
        """The node's task."""
        if len(self.tasks) == 1:
            return self.tasks[0] if self.tasks[0].node == node else None
        if self._by_node is None:
            self._by_node = {task.node: task for task in self.tasks}
        return self._by_node.get(node)

    def outgoing(self, task: Task) -> Outgoing:
        """The command of a task, as it must be sent now."""
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
        """Tasks that have begun and are unanswered."""
        return (task for task in self.tasks if task.open)

    def unbegun(self) -> list[Task]:
        """Tasks that have not begun and have no ending."""
        return [task for task in self.tasks[self.begun :] if task.ending is None and task.writing is None]

    def standing(self) -> RolloutProgress:
        """The progress of the rollout."""
        return RolloutProgress(self.begun, self.ended, self.bad, self.resume_at)

    def begin(self, tasks: Sequence[Task], now: float) -> None:
        """Mark the next `tasks` as begun."""
        for task in tasks:
            task.begin(now, self.time_limit_s)
        self.begun += len(tasks)
        self.resume_at = None

    def write(self, task: Task, ending: Ending) -> None:
        """Record that an ending is being written."""
        self.settled += task.ending is None and task.writing is None
        task.writing = ending

    def abort_write(self, task: Task, ending: Ending) -> None:
        """Undo `write` after a failed commit."""
        if task.writing is ending:
            task.writing = None
            self.settled -= task.ending is None

    def end_task(self, task: Task, ending: Ending) -> None:
        """Apply a committed ending."""
        before = task.ending
        if before is not None and before.answered:
            return
        self.ended += before is None
        self.bad += (ending.outcome != "ok") - (before is not None and before.outcome != "ok")
        task.ending = ending

    def changed(self) -> None:
        """Notify all watchers."""
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
        """Return when the job has ended, or after `timeout_s`."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(timeout_s, resolve_if_open, over, None)
        self.waiting = (*self.waiting, over)
        try:
            if self.ended_at is None:
                await over
        finally:
            timer.cancel()
            self.waiting = tuple(each for each in self.waiting if each is not over)

    def end(self, now: float) -> None:
        """Mark the job as ended."""
        self.ended_at = now
        for over in self.waiting:
            resolve_if_open(over, None)

    def verdict(self) -> JobState:
        """The job's state, counting endings that are being written."""
        latest = [task.writing or task.ending for task in self.tasks]
        return state_of([each.outcome if each else None for each in latest], self.cancelling)

    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of each node, counting endings that are being written."""
        latest = {task.node: task.writing or task.ending for task in self.tasks}
        return {node: ending.outcome for node, ending in latest.items() if ending is not None}

    def view(self) -> Job:
        """The job as its caller sees it: committed state only."""
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


def time_limit_of(run: Run) -> float:
    """Time limit in seconds for one task, from its begin, over all its tries."""
    return run.timeout_s if run.overall_s is None else run.overall_s


def state_of(outcomes: Sequence[Outcome | None], cancelled_by: str | None = None) -> JobState:
    """The job's state: `running` while an outcome is missing; then `ok` if all are, else `cancelled` if it was
    cancelled, `failed` if none is ok, `partly` otherwise."""
    if None in outcomes:
        return "running"
    good = outcomes.count("ok")
    if good == len(outcomes):
        return "ok"
    return "cancelled" if cancelled_by is not None else "partly" if good else "failed"


def digest_of(run: Run, caller: str) -> str:
    """A digest of the request and its caller: the same id with another digest is a conflict. How long the caller
    waits, and the confirmation, are not part of it."""
    content = [msgspec.structs.replace(run, wait_ms=0, confirmed=False), caller]
    return digest(content)
