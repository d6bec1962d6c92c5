"""How a handler ends: whatever it does, in one of the outcomes, with an error for a person to read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fleetfold_child.commands.actions import AnyAction
from fleetfold_child.commands.cancellation import by_whom, while_interrupted, while_running
from fleetfold_child.commands.command_run import CommandRun
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.retry_policy import TIMEOUT, names_of
from fleetfold_child.commands.time_limits import TimeLimits
from fleetfold_child.ledger.admission import Admission
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.exception_text import named_text
from fleetfold_shared.messages import Command, CommandResult, Outcome

__all__ = ["CommandOutcome", "never_begun", "raised", "result_of", "stopped"]

MOST_ERROR_CHARS = 2000


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How a handler ended. `refused`: by its own word nothing has happened. `names`: what a retry policy may call it,
    if another try could help. `kept` is what a rollback may know of a result that could not be carried.
    """

    outcome: Outcome
    result: Any = None
    error: str | None = None
    refused: bool = False
    names: frozenset[str] = frozenset()
    kept: Any = None


def raised(
    error: BaseException, limits: TimeLimits, action: AnyAction, context: Context, *, ended: bool
) -> CommandOutcome:
    """What the handler raised, or was made to by the limits that `ended` it."""
    if ended and (told := stopped(action, context)) is not None:
        return told
    if ended and isinstance(error, TimeoutError):
        return CommandOutcome("timed_out", error=f"{limits.why}; what it did by then is done", names=TIMEOUT)
    if isinstance(error, FleetfoldError):
        said = error.message if isinstance(error.message, str) else named_text(error)
        return CommandOutcome("failed", error=said, names=names_of(error))
    context.log.exception("the action raised")
    return CommandOutcome("failed", error=named_text(error), names=names_of(error))


def stopped(action: AnyAction, context: Context) -> CommandOutcome | None:
    """How it ends when it was cancelled, if it was."""
    if context.cancelled_by is None:
        return None
    outcome, error = while_running(action.info.kind, context.cancelled_by)
    return CommandOutcome(outcome, error=error)


def never_begun(action: AnyAction, admission: Admission, by: str) -> CommandOutcome:
    """It was cancelled between its admission and its beginning; an earlier process may have begun it."""
    if admission.starts == 1:
        return CommandOutcome("rejected", error=f"{by_whom(by)} before it began", refused=True)
    outcome, error = while_interrupted(action.info.kind, by)
    return CommandOutcome(outcome, error=error)


def result_of(
    command: Command, admission: Admission, course: CommandRun, ending: CommandOutcome, began: float
) -> CommandResult:
    """The ending as the result of the command; `began` is by `time.perf_counter`."""
    return CommandResult(
        id=command.id,
        attempt=command.attempt,
        epoch=command.epoch,
        outcome=ending.outcome,
        result=ending.result,
        error=_told(ending.error, course.attempt),
        starts=admission.starts,
        ms=round((time.perf_counter() - began) * 1000, 3),
        noted=course.noted and not ending.refused,
    )


def _told(error: str | None, tries: int) -> str | None:
    """An error is for reading: one that would not fit into a message would never arrive. It says how many tries there
    were, if there was more than one.
    """
    if error is None:
        return None
    cut = error if len(error) <= MOST_ERROR_CHARS else error[:MOST_ERROR_CHARS] + " …"
    cut = cut.encode("utf-8", "replace").decode()  # an action may have put anything into it
    return cut if tries == 1 else f"{cut} (tried {tries} times)"
