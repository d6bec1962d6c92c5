"""Outcomes of handlers: every result or error becomes an outcome, with an error text for people."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fleetfold_child.commands.actions import AnyAction
from fleetfold_child.commands.cancellation_rules import by_whom, while_interrupted, while_running
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
    """Outcome of a handler. `refused`: it says that it had no effect. `names` are its error's names for a retry policy,
    if another try could help. `unsent` is stored for a rollback when the result could not be sent.
    """

    outcome: Outcome
    result: Any = None
    error: str | None = None
    refused: bool = False
    names: frozenset[str] = frozenset()
    unsent: Any = None


def raised(
    error: BaseException, limits: TimeLimits, action: AnyAction, context: Context, *, ended: bool
) -> CommandOutcome:
    """Return the outcome for an error of the handler, or for the time limits that `ended` it."""
    if ended and (cancelled := stopped(action, context)) is not None:
        return cancelled
    if ended and isinstance(error, TimeoutError):
        return CommandOutcome("timed_out", error=f"{limits.why}; what it did by then is done", names=TIMEOUT)
    if isinstance(error, FleetfoldError):
        said = error.message if isinstance(error.message, str) else named_text(error)
        return CommandOutcome("failed", error=said, names=names_of(error))
    context.log.exception("the action raised")
    return CommandOutcome("failed", error=named_text(error), names=names_of(error))


def stopped(action: AnyAction, context: Context) -> CommandOutcome | None:
    """Return the outcome of a cancelled handler; `None` if it was not cancelled."""
    if context.cancelled_by is None:
        return None
    outcome, error = while_running(action.info.kind, context.cancelled_by)
    return CommandOutcome(outcome, error=error)


def never_begun(action: AnyAction, admission: Admission, by: str) -> CommandOutcome:
    """Return the outcome of a command cancelled before its handler started; an earlier process may have started it."""
    if admission.starts == 1:
        return CommandOutcome("rejected", error=f"{by_whom(by)} before it began", refused=True)
    outcome, error = while_interrupted(action.info.kind, by)
    return CommandOutcome(outcome, error=error)


def result_of(
    command: Command, admission: Admission, run: CommandRun, ending: CommandOutcome, began: float
) -> CommandResult:
    """Build the command's result from the outcome; `began` is by `time.perf_counter`."""
    return CommandResult(
        id=command.id,
        attempt=command.attempt,
        epoch=command.epoch,
        outcome=ending.outcome,
        result=ending.result,
        error=_shortened(ending.error, run.attempt),
        starts=admission.starts,
        ms=round((time.perf_counter() - began) * 1000, 3),
        noted=run.noted and not ending.refused,
    )


def _shortened(error: str | None, tries: int) -> str | None:
    """Shorten an error so that it fits into a message, and add the number of tries, if there was more than one."""
    if error is None:
        return None
    cut = error if len(error) <= MOST_ERROR_CHARS else error[:MOST_ERROR_CHARS] + " …"
    cut = cut.encode("utf-8", "replace").decode()  # an action may have put anything into it
    return cut if tries == 1 else f"{cut} (tried {tries} times)"
