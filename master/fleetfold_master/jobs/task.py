"""A task: a job's command for one node, with its progress and outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from fleetfold_master.jobs.command_dispatch import RESEND_S
from fleetfold_shared.errors import FleetfoldError, Overloaded
from fleetfold_shared.messages import JobNode, Outcome, Progress

__all__ = ["Ending", "Task", "command_id", "parse_command_id"]


class Ending(msgspec.Struct, frozen=True):
    """How a command ended. `answered`: reported by the node itself, hence final. `code` as in `CommandResult`."""

    outcome: Outcome
    answered: bool
    result: Any = None
    error: str | None = None
    ms: float | None = None
    code: str = ""
    starts: int = 0


@dataclass(slots=True)
class Task:
    """A job's command for one node. `began_at` is None until it begins; with `attempt` 0 it is the planned time.
    `writing` is the ending being written. `refused` is why the broker has not accepted the command, if it never
    has; `stored`: it has, as far as this master knows."""

    node: str
    position: int
    attempt: int = 0
    began_at: float | None = None
    due_at: float = 0.0
    deadline_at: float = 0.0
    ending: Ending | None = None
    writing: Ending | None = None
    progress: Progress | None = None
    refused: str | None = None
    stored: bool = False

    @property
    def begun(self) -> bool:
        """Whether the task has begun."""
        return self.attempt > 0

    @property
    def open(self) -> bool:
        """Whether the task has begun and is unanswered."""
        return self.attempt > 0 and self.ending is None and self.writing is None

    @property
    def final(self) -> bool:
        """Whether the node itself has answered, even if that is still being written."""
        latest = self.writing or self.ending
        return latest is not None and latest.answered

    def takes(self, ending: Ending) -> bool:
        """Whether `ending` says more than is known or being written: only the node's own answer replaces another
        ending."""
        return not self.final and (ending.answered or (self.writing is None and self.ending is None))

    def note_sent(self, error: FleetfoldError | None) -> None:
        """Record that the command was stored or, as long as no attempt has been, why not."""
        if error is None:
            self.refused, self.stored = None, True
        elif isinstance(error, Overloaded) and (self.attempt == 1 or self.refused is not None):
            self.refused = error.message

    def begin(self, now: float, time_limit_s: float) -> None:
        """Mark as begun."""
        self.attempt, self.began_at = 1, now
        self.due_at, self.deadline_at = now + RESEND_S, now + time_limit_s

    def view(self) -> JobNode:
        """The task as its caller sees it."""
        if self.ending is None:
            return JobNode(self.node, progress=self.progress, began=self.begun)
        end = self.ending
        return JobNode(self.node, end.outcome, end.result, end.error, end.ms, self.progress, self.begun)


def command_id(job: str, node: str) -> str:
    """The command's id, `j.<job>.<node>`; neither part can contain a dot."""
    return f"j.{job}.{node}"


def parse_command_id(text: str) -> tuple[str, str] | None:
    """The job and the node of a job's command id; None for any other id."""
    parts = text.split(".")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "j" else None
