"""The concurrency limiter (Choria's governor): the most commands of an action that may be open at once, over all jobs.

A command holds its slot from its begin until its node has answered. A command that was given up without an answer
may still be running, so it keeps its slot for `LEASE_S` more. Each master counts the commands of its own jobs
(after a restart, from the rows) and has its share of the slots among the live masters. Steps of transactions hold
no slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf

from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.task import Ending, Task, command_id

__all__ = ["LEASE_S", "ConcurrencyLimit", "ShareOf", "all_of"]

LEASE_S = 60.0
"""Seconds for which a command that was given up keeps its slot."""

ShareOf = Callable[[int], int]
"""This master's share of a number of slots."""


def all_of(limit: int) -> int:
    """The share of a master without peers: the whole limit."""
    return limit


class _ActionSlots:
    """One action: the holders of its slots with their expiry, and the queue of waiting jobs."""

    __slots__ = ("_share_of", "held", "limit", "line")

    def __init__(self, share_of: ShareOf) -> None:
        self._share_of = share_of
        self.limit: int | None = None
        self.held: dict[str, float] = {}
        self.line: dict[str, None] = {}

    @property
    def free(self) -> int:
        """The number of free slots."""
        return 2**31 if self.limit is None else max(0, self._share_of(self.limit) - len(self.held))


class ConcurrencyLimit:
    """The slots of all limited actions. Commands and jobs are identified by their ids."""

    def __init__(self, share_of: ShareOf = all_of) -> None:
        self._share_of = share_of
        self._actions: dict[str, _ActionSlots] = {}

    def __contains__(self, action: str) -> bool:
        """Whether the action has been limited since this master started."""
        return action in self._actions

    def open(self, action: str, limit: int | None) -> bool:
        """Set the action's limit. Returns True the first time: then the caller must `hold` the open commands."""
        new = action not in self._actions
        self._actions.setdefault(action, _ActionSlots(self._share_of)).limit = limit
        return new

    def hold(self, action: str, command: str, until: float = inf) -> None:
        """Count an open command until `until` (Unix seconds) at most, even beyond the limit."""
        if (room := self._actions.get(action)) is not None:
            room.held[command] = until

    def hold_open_commands(self, job: RunningJob) -> None:
        """Count all commands of the job that are unanswered."""
        for task in (task for task in job.tasks if task.begun and not task.final):
            self._hold_task(job, task)

    def settle(self, job: RunningJob, endings: Iterable[tuple[Task, Ending]]) -> None:
        """Record how commands ended; those that were given up keep their slots for `LEASE_S`."""
        if job.action not in self:
            return
        for task, ending in endings:
            if ending.answered or ending.outcome == "rejected":
                self.free(job.action, [command_id(job.id, task.node)])
            else:
                self._hold_task(job, task)

    def _hold_task(self, job: RunningJob, task: Task) -> None:
        """Hold a slot until the node answers or, if the command was given up, until its lease expires."""
        until = inf if task.ending is None else (task.began_at or 0.0) + job.time_limit_s + LEASE_S
        self.hold(job.action, command_id(job.id, task.node), until)

    def take(self, action: str, job: str, commands: Sequence[str]) -> int:
        """Take slots for the job's next `commands`; returns how many it got. If not all, the job keeps or gets its
        place in the queue, which is first come, first served."""
        room = self._actions.get(action)
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
        """Free the slots of these commands."""
        if (room := self._actions.get(action)) is not None:
            for command in commands:
                room.held.pop(command, None)

    def leave(self, action: str, job: str) -> None:
        """Remove the job from the queue."""
        if (room := self._actions.get(action)) is not None:
            room.line.pop(job, None)

    def next(self, action: str) -> str | None:
        """The first job of the queue, if a slot is free for it."""
        room = self._actions.get(action)
        return next(iter(room.line), None) if room is not None and room.free else None

    def is_waiting(self, action: str, job: str) -> bool:
        """Whether the job is waiting for a slot."""
        return action in self._actions and job in self._actions[action].line

    def expire(self, now: float) -> list[str]:
        """Free expired slots. Returns the actions whose queues may proceed."""
        for room in self._actions.values():
            for command in [command for command, until in room.held.items() if until <= now]:
                del room.held[command]
        return [action for action, room in self._actions.items() if room.line and room.free]
