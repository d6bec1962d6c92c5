"""A job while it runs, in memory: what its nodes were told, and what they have answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from fleetfold_master.actions.delivery import RESEND_S, Outgoing
from fleetfold_shared.messages import Callback, Command, Job, JobNode, JobState, Outcome, Params, Run

__all__ = ["Ending", "RunningJob", "Task", "command_id", "digest_of", "parse_command_id", "state_of"]


class Ending(msgspec.Struct, frozen=True):
    """How a command ended. `answered` when the node itself said so: then it is final."""

    outcome: Outcome
    answered: bool
    result: Any = None
    error: str | None = None
    ms: float | None = None


@dataclass(slots=True)
class Task:
    """A job's command for one node; `began_at` is absent until its turn comes. `writing` is on its way to the disk."""

    node: str
    position: int
    attempt: int = 0
    began_at: float | None = None
    due_at: float = 0.0
    deadline_at: float = 0.0
    ending: Ending | None = None
    writing: Ending | None = None

    @property
    def open(self) -> bool:
        """Told to run, and nothing heard."""
        return self.began_at is not None and self.ending is None and self.writing is None

    @property
    def final(self) -> bool:
        """The node itself has answered, or that is just being written."""
        latest = self.writing or self.ending
        return latest is not None and latest.answered

    def begin(self, now: float, timeout_s: float) -> None:
        """Its turn has come."""
        self.attempt, self.began_at = 1, now
        self.due_at, self.deadline_at = now + RESEND_S, now + timeout_s

    def view(self) -> JobNode:
        """The task as its caller sees it."""
        if self.ending is None:
            return JobNode(self.node)
        return JobNode(self.node, self.ending.outcome, self.ending.result, self.ending.error, self.ending.ms)


@dataclass(slots=True)
class RunningJob:
    """A job that has not ended. Every change is in the database before it is here."""

    id: str
    digest: str
    caller: str
    action: str
    params: Params
    sequential: bool
    timeout_s: float
    created_at: float
    tasks: list[Task]
    ended_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    by_node: dict[str, Task] = field(default_factory=dict)
    callback: Callback | None = None

    def __post_init__(self) -> None:
        self.by_node = {task.node: task for task in self.tasks}

    @classmethod
    def of(cls, run: Run, targets: Iterable[str], caller: str, now: float) -> RunningJob:
        """A new job, its first commands begun: all of them, or one when `sequential`."""
        tasks = [Task(node, position) for position, node in enumerate(dict.fromkeys(targets))]
        for task in tasks[: 1 if run.sequential else None]:
            task.begin(now, run.timeout_s)
        return cls(
            run.id, digest_of(run, caller), caller, run.action, run.params, run.sequential, run.timeout_s, now, tasks,
            callback=run.callback,
        )  # fmt: skip

    def outgoing(self, task: Task) -> Outgoing:
        """The command for a task, as it is to be sent now."""
        command = Command(
            id=command_id(self.id, task.node),
            attempt=task.attempt,
            action=self.action,
            params=self.params,
            timeout_s=self.timeout_s,
        )
        return Outgoing(task.node, command)

    def open_tasks(self) -> Iterator[Task]:
        """Those that were told to run and have not been heard of."""
        return (task for task in self.tasks if task.open)

    def next_task(self, after: Task | None = None) -> Task | None:
        """Whose turn is next in a sequential job: nobody's while another than `after` is open or being written."""
        if not self.sequential or any(task is not after and (task.open or task.writing) for task in self.tasks):
            return None
        return next((task for task in self.tasks if task.began_at is None), None)

    def verdict(self) -> JobState:
        """The job's state, counting what is just being written."""
        if any(task.writing is None and task.ending is None for task in self.tasks):
            return "running"
        return state_of([ending.outcome for task in self.tasks if (ending := task.writing or task.ending)])

    def view(self) -> Job:
        """The job as its caller sees it: what is committed."""
        return Job(
            id=self.id,
            action=self.action,
            params=self.params,
            state=state_of([task.ending.outcome if task.ending else None for task in self.tasks]),
            nodes=[task.view() for task in self.tasks],
            caller=self.caller,
            created_at=self.created_at,
            ended_at=self.ended_at,
        )


def state_of(outcomes: Sequence[Outcome | None]) -> JobState:
    """`running` while one is missing; then `ok` when all are, `failed` when none is, `partly` otherwise."""
    if None in outcomes:
        return "running"
    good = outcomes.count("ok")
    return "ok" if good == len(outcomes) else "partly" if good else "failed"


def digest_of(run: Run, caller: str) -> str:
    """What a run asks for, and who asks: the same id with another digest is a conflict."""
    content = [msgspec.structs.replace(run, wait_ms=0), caller]
    return sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def command_id(job: str, node: str) -> str:
    """`j.<job>.<node>`; neither part can hold a dot."""
    return f"j.{job}.{node}"


def parse_command_id(text: str) -> tuple[str, str] | None:
    """The job and the node of a job's command; None for any other."""
    parts = text.split(".")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "j" else None
