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

A compensation is a command too, and all of that holds for itself. What there is to undo is read from the row of the
command it names, the forward command:

    forward command                    with a result to fill in        without one, or filled from the log
    ---------------------------------  ------------------------------------------------------------
    never seen, or never started       tombstone, ok
    running in this process            wait for its end, then decide
    interrupted, transactional         nothing was committed: tombstone, ok
    interrupted, others                run the forward command first*  seal it as unknown, run
    ok                                 fill and run                    run
    refused                            nothing has happened: ok
    failed, transactional              rolled back: ok (timed_out and unknown likewise)
    failed at its first start, others  nothing known to undo: ok**     run
    failed at a later one, others      unknown: for an operator        run
    timed_out or unknown, others       unknown: for an operator        run
    undone before, by another id       ok

(* if it is `once`, that settles it as unknown, or asks its check. ** if it has noted something, but not all that the
compensation takes from the log: unknown, for an operator.) "With a result to fill in" means that the
compensation's params hold placeholders, and "filled from the log" that they all are `{{log.name}}` of something that
the forward command has noted. A rollback that is run though nobody knows must be harmless when its step had no effect.
A compensation without an action is a tombstone only: where the table says run, it does nothing and is ok.

Where actions take effect in databases of the application's, the ledger does not know everything: an effect may be there
whose command it has not, or not as ok. Before it says of a transactional command that nothing was committed, or of one
that it never ran, the application is asked (`ASK`). That decides the matter for good, so it is asked once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import msgspec

from fleetfold_child.cancelling import while_interrupted
from fleetfold_child.ledger_schema import Row
from fleetfold_child.notes import Forward
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionKind, Command, CommandResult, Outcome, Params
from fleetfold_shared.templates import fill, placeholders

__all__ = ["Admission", "Decision", "Plan", "admit", "admit_compensation"]


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


def admit(command: Command, row: Row | None, plan: Plan) -> Admission:
    """Decide on a plain command; `row` is its own. A row with an `incarnation` is running in this process."""
    return _known(command, row) or _start(command, row, plan, command.params)


def admit_compensation(
    command: Command,
    row: Row | None,
    forward: Row | None,
    other: Row | None,
    plan: Plan,
    log: Mapping[str, Any] | None = None,
) -> Admission:
    """Decide on a compensation.

    `forward` is the row of the command it names, `other` that of another compensation of the same, if one has
    succeeded or is running, `log` what the forward command has noted.
    """
    if known := _known(command, row):
        return known
    if forward is not None and command.epoch < forward.epoch:
        return Admission(Decision.FENCED)
    if other is not None and other.outcome == "ok":
        return _settle(command, row, "ok")
    if command.action:
        for busy in (forward, other):
            if busy is not None and busy.incarnation:
                return Admission(Decision.WAIT, awaited=busy.id)
    if plan.asks_application and _may_be_elsewhere(forward):
        return Admission(Decision.ASK)
    return _undo(command, row, forward, plan, log or {})


def _known(command: Command, row: Row | None) -> Admission | None:
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


def _start(command: Command, row: Row | None, plan: Plan, params: Params) -> Admission:
    if row is not None:
        return _start_again(command, row, plan, params)
    if plan.rejected is not None:
        return _settle(command, row, "rejected", plan.rejected, code="bad_params" if plan.kind_known else "no_action")
    if (late := plan.expired or plan.over) is not None:
        return _settle(command, row, "timed_out", late, code="expired")
    return _run(params, 1)


def _start_again(command: Command, row: Row, plan: Plan, params: Params) -> Admission:
    if plan.cancelled_by is not None:
        ended = while_interrupted(row.kind, plan.cancelled_by, elsewhere=plan.asks_application)
        return _settle(command, row, *ended)
    if (why := _parked(row, plan)) is not None:
        code = "poison" if row.lone_crashes >= plan.max_lone_crashes else "interrupted"
        return _settle(command, row, "unknown", why, code=code)
    if plan.over is not None:
        return _settle(command, row, "timed_out", plan.over, code="expired")
    return _run(params, row.starts if plan.clean else row.starts + 1)


def _run(params: Params, starts: int) -> Admission:
    return Admission(Decision.RUN, params=params, starts=starts)


def _parked(row: Row, plan: Plan) -> str | None:
    """Why a command that was interrupted is not run again, if so. Never `failed`: nobody knows what it did."""
    if row.lone_crashes >= plan.max_lone_crashes:
        return f"the node died {row.lone_crashes} times while only this was running; it is not tried again"
    if plan.rejected is not None:
        return f"the node stopped while it ran, and it cannot be run again: {plan.rejected}"
    if row.kind == "once" and not plan.checked:
        return "the node stopped while it ran, and a 'once' action is never run again"
    return None


def _settle(
    command: Command, row: Row | None, outcome: Outcome, error: str | None = None, *, tombstone: bool = False,
    code: str = "",
) -> Admission:  # fmt: skip
    starts = 0 if row is None else row.starts
    result = CommandResult(
        id=command.id, attempt=command.attempt, epoch=command.epoch, outcome=outcome, error=error, starts=starts,
        tombstone=tombstone, code=code,
    )  # fmt: skip
    return Admission(Decision.SETTLED, result=result)


def _undo(command: Command, row: Row | None, forward: Row | None, plan: Plan, log: Mapping[str, Any]) -> Admission:
    if forward is None or forward.state == "running":
        return _undo_unfinished(command, row, forward, plan, log)
    if _had_no_effect(forward):
        return _settle(command, row, "ok", tombstone=True)
    if not command.action:
        return _settle(command, row, "ok")
    return _undo_finished(command, row, forward, plan, log)


def _undo_unfinished(
    command: Command, row: Row | None, forward: Row | None, plan: Plan, log: Mapping[str, Any]
) -> Admission:
    if forward is None or (forward.kind == "transactional" and not forward.incarnation):
        settled = _settle(command, row, "ok", tombstone=True)
        return replace(settled, seal=_tombstone(command, forward))
    if forward.incarnation:  # only a tombstone comes here while it runs, and it is too late for one
        return _settle(command, row, "ok")
    if not _in_log(command, log):
        return Admission(Decision.FORWARD_FIRST, forward=forward.command())
    admission = _filled(command, row, plan, {"log": log}) if command.action else _settle(command, row, "ok")
    return replace(admission, seal=_sealed(forward))


def _undo_finished(command: Command, row: Row | None, forward: Row, plan: Plan, log: Mapping[str, Any]) -> Admission:
    result = forward.result()
    if result.outcome == "ok" or _in_log(command, log):
        scope = result.result if isinstance(result.result, dict) else {"result": result.result}
        return _filled(command, row, plan, {**scope, "log": log} if log else scope)
    by_log = any(path.startswith("log.") for path in _placeholders(command))
    if result.outcome == "failed" and forward.starts == 1 and not (by_log and result.noted):
        return _settle(command, row, "ok")
    why = f"{forward.action} ended {result.outcome}, so there is no result to fill into its rollback"
    if by_log:
        why = f"{forward.action} ended {result.outcome}, and had noted {', '.join(log) or 'nothing'}; not all it takes"
    return _settle(command, row, "unknown", why)


def _filled(command: Command, row: Row | None, plan: Plan, scope: Mapping[str, Any]) -> Admission:
    try:
        return _start(command, row, plan, fill(command.params, scope))
    except InvalidInput as error:
        return _settle(command, row, "rejected", error.message)


def _may_be_elsewhere(forward: Row | None) -> bool:
    """Whether the application's database may know more of the command than its row."""
    if forward is None:
        return True
    if forward.incarnation or forward.state == "tombstone" or forward.outcome == "ok":
        return False
    return forward.kind == "transactional" or forward.starts == 0


def _had_no_effect(forward: Row) -> bool:
    never_ran = forward.state == "tombstone" or forward.starts == 0
    rolled_back = forward.kind == "transactional" and forward.outcome != "ok"
    return never_ran or rolled_back or bool(forward.refused)


def _placeholders(command: Command) -> set[str]:
    try:
        return placeholders(command.params)
    except InvalidInput:  # malformed: refused when it is filled
        return set()


def _in_log(command: Command, log: Mapping[str, Any]) -> bool:
    """Whether all its placeholders can be filled from the log. So can none."""
    if not _placeholders(command):
        return True
    try:
        fill(command.params, {"log": log})
    except InvalidInput:
        return False
    return True


def _tombstone(command: Command, forward: Row | None) -> CommandResult:
    assert command.compensates is not None
    return CommandResult(
        id=command.compensates, attempt=forward.attempt if forward else 0, epoch=command.epoch, outcome="rejected",
        error="it was compensated before it took effect, and is not run any more",
        starts=forward.starts if forward else 0, tombstone=True,
    )  # fmt: skip


def _sealed(forward: Row) -> CommandResult:
    return CommandResult(
        id=forward.id, attempt=forward.attempt, epoch=forward.epoch, outcome="unknown", starts=forward.starts,
        error="the node stopped while it ran, and it was compensated then",
    )  # fmt: skip
