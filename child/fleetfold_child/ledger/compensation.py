"""Rules of compensation: the decision on an arriving compensation, made from the ledger's rows alone.

A compensation is a command too, and all the rules of `admission` hold for itself. What there is to undo is read from
the row of the command it names, the forward command:

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
    no_result                          fill from what was kept of the  run
                                       result, or unknown: for an
                                       operator
    undone before, by another id       ok

(* if it is `once`, that settles it as unknown, or asks its check. ** if it has noted something, but not all that the
compensation takes from the log: unknown, for an operator.) "With a result to fill in" means that the
compensation's params hold placeholders, and "filled from the log" that they all are `{{log.name}}` of something that
the forward command has noted. A rollback that is run though nobody knows must be harmless when its step had no effect.
A compensation without an action is a tombstone only: where the table says run, it does nothing and is ok.

Where actions take effect in databases of the application's, the ledger does not know everything: an effect may be there
whose command it has not, or not as ok. Before it says of a transactional command that nothing was committed, or of one
that it never ran, the application is asked (`ASK`). That decides the matter for good, so it is asked once.

Where the masters know that the forward command took effect and the ledger denies it, `contradiction` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleetfold_child.ledger.admission import Admission, Decision, Plan, known, settle, start
from fleetfold_child.ledger.denied_effect import denies, params_by_masters, taken_from_masters
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_child.ledger.side_effect_log import Forward, Note, log_of
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Command, CommandResult, ForwardOutcome
from fleetfold_shared.templates import fill, placeholders

__all__ = ["admit_compensation", "forward_of"]


def admit_compensation(
    command: Command,
    row: LedgerRow | None,
    forward: LedgerRow | None,
    other: LedgerRow | None,
    plan: Plan,
    log: Mapping[str, Any] | None = None,
) -> Admission:
    """Decide on a compensation.

    `forward` is the row of the command it names, `other` that of another compensation of the same command, if one has
    succeeded or is running, `log` the forward command's side-effect log.
    """
    if (settled := known(command, row)) is not None:
        return settled
    if forward is not None and command.epoch < forward.epoch:
        return Admission(Decision.FENCED)
    if other is not None and other.outcome == "ok":
        return settle(command, row, "ok")
    if command.action:
        for busy in (forward, other):
            if busy is not None and busy.incarnation:
                return Admission(Decision.WAIT, awaited=busy.id)
    if plan.asks_application and _may_be_elsewhere(forward):
        return Admission(Decision.ASK)
    if command.forward is not None and denies(forward, command.forward):
        return _by_masters(command, row, command.forward, plan)
    return _compensate(command, row, forward, plan, log or {})


def forward_of(forward: LedgerRow, notes: Sequence[Note]) -> Forward:
    """Return the forward command's data for its compensation."""
    result = None if forward.answer is None else forward.result()
    return Forward(
        id=forward.id, action=forward.action, outcome=result.outcome if result else "unknown", starts=forward.starts,
        result=forward.value() if result else None, log=log_of(notes), notes=notes,
    )  # fmt: skip


def _compensate(
    command: Command, row: LedgerRow | None, forward: LedgerRow | None, plan: Plan, log: Mapping[str, Any]
) -> Admission:
    if forward is None or forward.state == "running":
        return _compensate_unfinished(command, row, forward, plan, log)
    if _had_no_effect(forward):
        return settle(command, row, "ok", tombstone=True)
    if not command.action:
        return settle(command, row, "ok")
    return _compensate_finished(command, row, forward, plan, log)


def _by_masters(command: Command, row: LedgerRow | None, known: ForwardOutcome, plan: Plan) -> Admission:
    """Undo what the masters know and the ledger denies, or leave it to an operator."""
    if not command.action:
        return settle(command, row, "ok")
    params = params_by_masters(command, known)
    if isinstance(params, str):
        return settle(command, row, "unknown", params, code="ledger_lost")
    return replace(start(command, row, plan, params), seal=taken_from_masters(command, known))


def _compensate_unfinished(
    command: Command, row: LedgerRow | None, forward: LedgerRow | None, plan: Plan, log: Mapping[str, Any]
) -> Admission:
    if forward is None or (forward.kind == "transactional" and not forward.incarnation):
        settled = settle(command, row, "ok", tombstone=True)
        return replace(settled, seal=_tombstone(command, forward))
    if forward.incarnation:  # only a tombstone comes here while it runs, and it is too late for one
        return settle(command, row, "ok")
    if not _in_log(command, log):
        return Admission(Decision.FORWARD_FIRST, forward=forward.command())
    admission = _filled(command, row, plan, {"log": log}) if command.action else settle(command, row, "ok")
    return replace(admission, seal=_sealed(forward))


def _compensate_finished(
    command: Command, row: LedgerRow | None, forward: LedgerRow, plan: Plan, log: Mapping[str, Any]
) -> Admission:
    result = forward.result()
    if result.outcome == "ok" or forward.unsent is not None or _in_log(command, log):
        value = forward.value()
        scope = value if isinstance(value, dict) else {"result": value}
        return _filled(command, row, plan, {**scope, "log": log} if log else scope)
    by_log = any(path.startswith("log.") for path in _placeholders(command))
    if result.outcome == "failed" and forward.starts == 1 and not (by_log and result.noted):
        return settle(command, row, "ok")
    why = f"{forward.action} ended {result.outcome}, so there is no result to fill into its rollback"
    if by_log:
        why = f"{forward.action} ended {result.outcome}, and had noted {', '.join(log) or 'nothing'}; not all it takes"
    return settle(command, row, "unknown", why)


def _filled(command: Command, row: LedgerRow | None, plan: Plan, scope: Mapping[str, Any]) -> Admission:
    try:
        return start(command, row, plan, fill(command.params, scope))
    except InvalidInput as error:
        return settle(command, row, "rejected", error.message, code="bad_params")


def _may_be_elsewhere(forward: LedgerRow | None) -> bool:
    """Tell whether the application's database may know more of the command than its row."""
    if forward is None:
        return True
    if forward.incarnation or forward.state == "tombstone" or forward.outcome == "ok":
        return False
    return forward.kind == "transactional" or forward.starts == 0


def _had_no_effect(forward: LedgerRow) -> bool:
    never_ran = forward.state == "tombstone" or forward.starts == 0
    rolled_back = forward.kind == "transactional" and forward.outcome != "ok"
    return never_ran or rolled_back or bool(forward.refused)


def _placeholders(command: Command) -> set[str]:
    try:
        return placeholders(command.params)
    except InvalidInput:  # malformed: refused when it is filled
        return set()


def _in_log(command: Command, log: Mapping[str, Any]) -> bool:
    """Tell whether all placeholders, or none at all, can be filled from the log."""
    if not _placeholders(command):
        return True
    try:
        fill(command.params, {"log": log})
    except InvalidInput:
        return False
    return True


def _tombstone(command: Command, forward: LedgerRow | None) -> CommandResult:
    assert command.compensates is not None
    return CommandResult(
        id=command.compensates, attempt=forward.attempt if forward else 0, epoch=command.epoch, outcome="rejected",
        error="it was compensated before it took effect, and is not run any more",
        starts=forward.starts if forward else 0, tombstone=True,
    )  # fmt: skip


def _sealed(forward: LedgerRow) -> CommandResult:
    return CommandResult(
        id=forward.id, attempt=forward.attempt, epoch=forward.epoch, outcome="unknown", starts=forward.starts,
        error="the node stopped while it ran, and it was compensated then",
    )  # fmt: skip
