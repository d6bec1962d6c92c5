"""Rules of admission: the decision on an arriving command, made from the ledger's rows alone.

A plain command, by what the ledger knows of its id:

    nothing                            run it; or, if it may not be started, settle it: rejected, timed_out
    its result                         replay it, whatever the epoch: a fact is a fact
    its result, and it was compensated rejected, `compensated`: only a master with an old database asks again, and
                                       it would take an effect for there that is gone
    its tombstone                      tombstoned: it was compensated first, and never runs
    a higher epoch                     fenced: its master has lost the transaction
    running in this process            duplicate
    running when the process ended     run it again; settle it as unknown if it is `once` without a check, or if
                                       the process died `max_lone_crashes` times while nothing else was running;
                                       as `cancelling` says if somebody has cancelled it meanwhile; as timed_out if
                                       the time for all of its tries is over
    a try of it has failed here        run it again, and do not count a start if that try left nothing behind

The rules for a compensation are in `compensation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from fleetfold_child.commands.cancellation_rules import while_interrupted
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_child.ledger.side_effect_log import Forward
from fleetfold_shared.messages import ActionKind, Command, CommandResult, Outcome, Params

__all__ = ["Admission", "Decision", "Plan", "admit", "known", "settle", "start"]


class Decision(Enum):
    """Decision on a command. `SETTLED` ends it in this admission, without running it."""

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
    """Inputs of an admission besides the ledger. `kind_known`: the node has the action.

    `rejected` and `expired` are reasons not to start the command, `over` a reason not to start it again. `checked`: its
    action has a check. `clean`: a try of it has failed here without an effect. `cancelled_by`: the identity that
    cancelled it before the process ended. `asks_application`: there are databases of the application's, not asked yet.
    `compensated`: a compensation of it has succeeded.
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
    compensated: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """A decision with its data.

    `starts` and `params` (placeholders filled) for `RUN`; `result` where one is to be published; `awaited` is the id
    for `WAIT`; `forward` the command to run first; `seal` the forward command's result, stored in the same commit;
    `compensates` the forward command's data for a compensation that is run.
    """

    decision: Decision
    starts: int = 0
    params: Params | None = None
    result: CommandResult | None = None
    awaited: str | None = None
    forward: Command | None = None
    seal: CommandResult | None = None
    compensates: Forward | None = None


def admit(command: Command, row: LedgerRow | None, plan: Plan) -> Admission:
    """Decide on a command that is no compensation; `row` is its own. A row with an `incarnation` is running in this
    process.
    """
    if plan.compensated:
        return Admission(Decision.REPLAY, result=_compensated(command, row))
    return known(command, row) or start(command, row, plan, command.params)


def known(command: Command, row: LedgerRow | None) -> Admission | None:
    """Return the decision that the command's own row implies, if any. A stored result takes precedence over the
    fence.
    """
    if row is None:
        return None
    if row.answer is not None:
        decision = Decision.TOMBSTONED if row.state == "tombstone" else Decision.REPLAY
        result = msgspec.structs.replace(row.result(), attempt=command.attempt, epoch=command.epoch)
        return Admission(decision, result=result)
    if command.epoch < row.epoch:
        return Admission(Decision.FENCED)
    return Admission(Decision.DUPLICATE_RUNNING) if row.incarnation else None


def _compensated(command: Command, row: LedgerRow | None) -> CommandResult:
    return CommandResult(
        id=command.id, attempt=command.attempt, epoch=command.epoch, outcome="rejected", code="compensated",
        error="it was compensated since, and is not run again", starts=row.starts if row else 0,
    )  # fmt: skip


def start(command: Command, row: LedgerRow | None, plan: Plan, params: Params) -> Admission:
    """Run a command that is not `known`, with these params, or settle it if it may not be started (again)."""
    if row is not None:
        return _start_again(command, row, plan, params)
    if plan.rejected is not None:
        return settle(command, row, "rejected", plan.rejected, code="bad_params" if plan.kind_known else "no_action")
    if (late := plan.expired or plan.over) is not None:
        return settle(command, row, "timed_out", late, code="expired")
    return _run(params, 1)


def _start_again(command: Command, row: LedgerRow, plan: Plan, params: Params) -> Admission:
    if plan.cancelled_by is not None:
        ended = while_interrupted(row.kind, plan.cancelled_by, external=plan.asks_application)
        return settle(command, row, *ended)
    if (why := _not_again(row, plan)) is not None:
        code = "poison" if row.lone_crashes >= plan.max_lone_crashes else "interrupted"
        return settle(command, row, "unknown", why, code=code)
    if plan.over is not None:
        return settle(command, row, "timed_out", plan.over, code="expired")
    return _run(params, row.starts if plan.clean else row.starts + 1)


def _run(params: Params, starts: int) -> Admission:
    return Admission(Decision.RUN, params=params, starts=starts)


def _not_again(row: LedgerRow, plan: Plan) -> str | None:
    """Return the reason not to run an interrupted command again, if any. Its outcome is never `failed`, because its
    effect is unknown.
    """
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
    """End the command with this outcome, without running it (again)."""
    starts = 0 if row is None else row.starts
    result = CommandResult(
        id=command.id, attempt=command.attempt, epoch=command.epoch, outcome=outcome, error=error, starts=starts,
        tombstone=tombstone, code=code,
    )  # fmt: skip
    return Admission(Decision.SETTLED, result=result)
