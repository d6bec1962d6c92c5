"""What to do with a command that has arrived, decided from the ledger's rows alone.

A plain command, by what the ledger knows of its id:

    nothing                            run it; or, if it may not be started, settle it: rejected, timed_out
    its result                         replay it, whatever the epoch: a fact is a fact
    its tombstone                      tombstoned: it was compensated first, and never runs
    a higher epoch                     fenced: its master has lost the transaction
    running in this process            duplicate
    running when the process ended     run it again; settle it as unknown if it is `once` without a check, or if
                                       the process died `max_lone_crashes` times while nothing else was running;
                                       as `cancelling` says if somebody has cancelled it meanwhile; as timed_out if
                                       the time for all of its tries is over
    a try of it has failed here        run it again, and do not count a start if that try left nothing behind

The rules for a command that undoes another one stand in `compensation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from fleetfold_child.commands.cancellation import while_interrupted
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_child.ledger.side_effect_log import Forward
from fleetfold_shared.messages import ActionKind, Command, CommandResult, Outcome, Params

__all__ = ["Admission", "Decision", "Plan", "admit", "known", "settle", "start"]


class Decision(Enum):
    """What to do. `SETTLED` is ended by this very admission without being run."""

    RUN = "run"
    DUPLICATE_RUNNING = "duplicate_running"
    REPLAY = "replay"
    FENCED = "fenced"
    TOMBSTONED = "tombstoned"
    SETTLED = "settled"
    WAIT = "wait"
    FORWARD_FIRST = "forward_first"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the node knows of a command besides its ledger. `kind_known`: it has the action.

    `rejected` and `expired` say why it may not be started, if so, and `over` why it may not even be started again.
    `checked`: its action has a check. `clean`: a try of it has failed here and left nothing behind. `cancelled_by`:
    somebody wanted it stopped before the process ended. `asks_application`: there are databases of the application's,
    and they have not been asked yet.
    """

    kind: ActionKind = "idempotent"
    checked: bool = False
    rejected: str | None = None
    expired: str | None = None
    max_lone_crashes: int = 5
    over: str | None = None
    clean: bool = False
    cancelled_by: str | None = None
    asks_application: bool = False
    kind_known: bool = True


@dataclass(frozen=True, slots=True)
class Admission:
    """A decision, and what belongs to it.

    `starts` and `params` (placeholders filled) with `RUN`; `result` where there is one to publish; `awaited` is the
    id to `WAIT` for; `forward` the command to run first; `seal` the forward command's own end, stored in the same
    commit; `undoes` what a compensation that is run may know of its forward command.
    """

    decision: Decision
    starts: int = 0
    params: Params | None = None
    result: CommandResult | None = None
    awaited: str | None = None
    forward: Command | None = None
    seal: CommandResult | None = None
    undoes: Forward | None = None


def admit(command: Command, row: LedgerRow | None, plan: Plan) -> Admission:
    """Decide on a plain command; `row` is its own. A row with an `incarnation` is running in this process."""
    return known(command, row) or start(command, row, plan, command.params)


def known(command: Command, row: LedgerRow | None) -> Admission | None:
    """What the command's own row settles. The stored result comes before the fence."""
    if row is None:
        return None
    if row.answer is not None:
        decision = Decision.TOMBSTONED if row.state == "tombstone" else Decision.REPLAY
        result = msgspec.structs.replace(row.result(), attempt=command.attempt, epoch=command.epoch)
        return Admission(decision, result=result)
    if command.epoch < row.epoch:
        return Admission(Decision.FENCED)
    return Admission(Decision.DUPLICATE_RUNNING) if row.incarnation else None


def start(command: Command, row: LedgerRow | None, plan: Plan, params: Params) -> Admission:
    """Run a command that is not `known`, with these params, or settle it because it may not be started (again)."""
    if row is not None:
        return _start_again(command, row, plan, params)
    if plan.rejected is not None:
        return settle(command, row, "rejected", plan.rejected, code="bad_params" if plan.kind_known else "no_action")
    if (late := plan.expired or plan.over) is not None:
        return settle(command, row, "timed_out", late, code="expired")
    return _run(params, 1)


def _start_again(command: Command, row: LedgerRow, plan: Plan, params: Params) -> Admission:
    if plan.cancelled_by is not None:
        ended = while_interrupted(row.kind, plan.cancelled_by, elsewhere=plan.asks_application)
        return settle(command, row, *ended)
    if (why := _parked(row, plan)) is not None:
        code = "poison" if row.lone_crashes >= plan.max_lone_crashes else "interrupted"
        return settle(command, row, "unknown", why, code=code)
    if plan.over is not None:
        return settle(command, row, "timed_out", plan.over, code="expired")
    return _run(params, row.starts if plan.clean else row.starts + 1)


def _run(params: Params, starts: int) -> Admission:
    return Admission(Decision.RUN, params=params, starts=starts)


def _parked(row: LedgerRow, plan: Plan) -> str | None:
    """Why a command that was interrupted is not run again, if so. Never `failed`: nobody knows what it did."""
    if row.lone_crashes >= plan.max_lone_crashes:
        return f"the node died {row.lone_crashes} times while only this was running; it is not tried again"
    if plan.rejected is not None:
        return f"the node stopped while it ran, and it cannot be run again: {plan.rejected}"
    if row.kind == "once" and not plan.checked:
        return "the node stopped while it ran, and a 'once' action is never run again"
    return None


def settle(
    command: Command, row: LedgerRow | None, outcome: Outcome, error: str | None = None, *, tombstone: bool = False,
    code: str = "",
) -> Admission:  # fmt: skip
    """It ends so, without being run (again)."""
    starts = 0 if row is None else row.starts
    result = CommandResult(
        id=command.id, attempt=command.attempt, epoch=command.epoch, outcome=outcome, error=error, starts=starts,
        tombstone=tombstone, code=code,
    )  # fmt: skip
    return Admission(Decision.SETTLED, result=result)
