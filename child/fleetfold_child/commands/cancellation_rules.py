"""Rules of cancellation: the result of cancelling a command, decided from the ledger's row alone.

    nothing known                      tombstone: it never runs, however often it is delivered; rejected
    its result, or its tombstone       ended: the result is published again if nobody has confirmed to have it
    running in this process            stopping; should the process die meanwhile, it is not begun again
    interrupted, transactional         settled as failed: nothing was committed; as unknown where actions take effect
                                       in databases of the application's
    interrupted, others                settled as unknown, and never run again
    a compensation that has not ended  let alone: a compensation is not cancelled

The rules of `admission` hold for what was cancelled as for anything else: a tombstone had no effect, so there is
nothing to undo.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleetfold_child.ledger.ledger_schema import LedgerRow, State
from fleetfold_shared.messages import OVER_TIME, ActionKind, CancelVerdict, CommandResult, Outcome

__all__ = ["Cancellation", "by_whom", "cancel", "while_interrupted", "while_running"]


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Decision on a command to cancel; the verdict is `None` for a compensation, which is not cancelled.

    `result` is to be published, and is new in the ledger in the state `stored`.
    """

    verdict: CancelVerdict | None
    result: CommandResult | None = None
    stored: State | None = None


def cancel(command_id: str, row: LedgerRow | None, by: str, *, external: bool = False) -> Cancellation:
    """Decide on a cancellation; `row` is the command's own. One with an `incarnation` is running in this process.
    `external` is as in `while_interrupted`.
    """
    if row is None:
        return Cancellation("never", _result(command_id, "rejected", f"{by_whom(by)} before it began"), "tombstone")
    if row.answer is not None:
        return Cancellation("ended", None if row.published else row.result())
    if row.compensates is not None:
        return Cancellation(None)
    if row.incarnation:
        return Cancellation("stopping")
    outcome, error = while_interrupted(row.kind, by, external=external)
    return Cancellation("ended", _result(command_id, outcome, error, row), "done")


def by_whom(by: str) -> str:
    """Return the reason in words."""
    return f"cancelled by {by}" if by else "cancelled"


def while_interrupted(kind: ActionKind, by: str, *, external: bool = False) -> tuple[Outcome, str]:
    """Return the outcome of a command that was interrupted by the node's death and is not started again.

    `external`: its effect may be in a database of the application's, of which the ledger does not know.
    """
    if kind == "transactional" and not external:
        return "failed", f"{by_whom(by)}; the node had stopped while it ran, and nothing of it was committed"
    return "unknown", f"{by_whom(by)}; the node had stopped while it ran, and what it did by then is done"


def while_running(kind: ActionKind, by: str) -> tuple[Outcome, str]:
    """Return the outcome of a command whose handler was cancelled.

    A job whose time is over may cancel it just before the handler's own limit ends: the outcome is the same.
    """
    if kind == "transactional":
        return "failed", f"{by_whom(by)} while it ran; nothing of it was committed"
    return "timed_out" if by == OVER_TIME else "unknown", f"{by_whom(by)} while it ran; what it did by then is done"


def _result(command_id: str, outcome: Outcome, error: str, row: LedgerRow | None = None) -> CommandResult:
    attempt, epoch, starts = (row.attempt, row.epoch, row.starts) if row else (0, 0, 0)
    return CommandResult(id=command_id, attempt=attempt, epoch=epoch, outcome=outcome, error=error, starts=starts)
