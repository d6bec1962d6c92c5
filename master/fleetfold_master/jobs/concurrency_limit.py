"""The governor: of an action that says so, at most so many commands are out at once, over all jobs.

A command holds its slot from its begin until its node has answered. One that was given up without an answer may still
run, so it keeps the slot for `LEASE_S` more. A master counts the commands of its own jobs, at a restart from the rows,
and has its share of the slots among the masters that live. Steps of transactions hold none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf

from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.task import Ending, Task, command_id

__all__ = ["LEASE_S", "ConcurrencyLimit", "ShareOf", "all_of"]

LEASE_S = 60.0
"""How long what was given up keeps its slot."""

ShareOf = Callable[[int], int]
"""How many of so many slots are this master's now."""


def all_of(limit: int) -> int:
    """There is no other master."""
    return limit


class _Room:
    """One action: who holds its slots, until when at most, and the jobs that stand in line."""

    __slots__ = ("_share_of", "held", "limit", "line")

    def __init__(self, share_of: ShareOf) -> None:
        self._share_of = share_of
        self.limit: int | None = None
        self.held: dict[str, float] = {}
        self.line: dict[str, None] = {}

    @property
    def free(self) -> int:
        """How many more may begin."""
        return 2**31 if self.limit is None else max(0, self._share_of(self.limit) - len(self.held))


class ConcurrencyLimit:
    """Who may begin. Commands and jobs are known by their ids."""

    def __init__(self, share_of: ShareOf = all_of) -> None:
        self._share_of = share_of
        self._rooms: dict[str, _Room] = {}

    def __contains__(self, action: str) -> bool:
        """Whether the action has been limited, as long as this master lives."""
        return action in self._rooms

    def open(self, action: str, limit: int | None) -> bool:
        """The action has so many slots from now on. True the first time: then what is out already is to be held."""
        new = action not in self._rooms
        self._rooms.setdefault(action, _Room(self._share_of)).limit = limit
        return new

    def hold(self, action: str, command: str, until: float = inf) -> None:
        """A command is out, until then at most (Unix seconds), whatever the limit says."""
        if (room := self._rooms.get(action)) is not None:
            room.held[command] = until

    def hold_what_is_out(self, job: RunningJob) -> None:
        """The job's commands that no node has answered are out."""
        for task in (task for task in job.tasks if task.begun and not task.final):
            self._hold_task(job, task)

    def settle(self, job: RunningJob, endings: Iterable[tuple[Task, Ending]]) -> None:
        """So the job's commands have ended: what was given up may still run."""
        if job.action not in self:
            return
        for task, ending in endings:
            if ending.answered or ending.outcome == "rejected":
                self.free(job.action, [command_id(job.id, task.node)])
            else:
                self._hold_task(job, task)

    def _hold_task(self, job: RunningJob, task: Task) -> None:
        """Until its node has answered, or, when it was given up, until its lease is over."""
        until = inf if task.ending is None else (task.began_at or 0.0) + job.patience_s + LEASE_S
        self.hold(job.action, command_id(job.id, task.node), until)

    def take(self, action: str, job: str, commands: Sequence[str]) -> int:
        """How many of the job's next `commands` may begin: they hold slots now. When that is not all, the job keeps or
        gets its place in the line; nobody overtakes.
        """
        room = self._rooms.get(action)
        if room is None:
            return len(commands)
        first = next(iter(room.line), job) == job
        granted = min(room.free, len(commands)) if first else 0
        room.held.update(dict.fromkeys(commands[:granted], inf))
        if granted < len(commands):
            room.line.setdefault(job)
        else:
            room.line.pop(job, None)
        return granted

    def free(self, action: str, commands: Iterable[str]) -> None:
        """These are not out any more."""
        if (room := self._rooms.get(action)) is not None:
            for command in commands:
                room.held.pop(command, None)

    def leave(self, action: str, job: str) -> None:
        """The job wants no slot now."""
        if (room := self._rooms.get(action)) is not None:
            room.line.pop(job, None)

    def next(self, action: str) -> str | None:
        """The job that is first in the line, if there is a slot for it."""
        room = self._rooms.get(action)
        return next(iter(room.line), None) if room is not None and room.free else None

    def in_line(self, action: str, job: str) -> bool:
        """Whether the job waits for a slot."""
        return action in self._rooms and job in self._rooms[action].line

    def expire(self, now: float) -> list[str]:
        """Free what was held long enough; the actions whose line may go on."""
        for room in self._rooms.values():
            for command in [command for command, until in room.held.items() if until <= now]:
                del room.held[command]
        return [action for action, room in self._rooms.items() if room.line and room.free]
