"""Contradictions: a compensation whose forward command took effect, as the masters know, and which the ledger denies.

The ledger is lost then, or an old copy was put back. "Never ran" would leave the effect in the world and call the
transaction rolled back, so:

    forward command                      rollback
    -----------------------------------  -----------------------------------------------------------------
    idempotent or once                   run, filled from the masters' copy of the result
    the same, the copy lacks a field     unknown: for an operator
    transactional                        unknown: for an operator. Its effect was in the commit of the row that is
                                         missing; whether it is still there cannot be known
"""

from __future__ import annotations

from typing import Any

from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Command, CommandResult, ForwardOutcome, Params
from fleetfold_shared.templates import fill

__all__ = ["denies", "params_by_masters", "taken_from_masters"]


def denies(forward: LedgerRow | None, known: ForwardOutcome | None) -> bool:
    """Tell whether the ledger's row of a forward command excludes the effect that the masters know of."""
    if known is None or (forward is not None and forward.incarnation):
        return False
    return forward is None or forward.answer is None or forward.outcome not in {"ok", "no_result"}


def params_by_masters(command: Command, known: ForwardOutcome) -> Params | str:
    """Return the rollback's params, filled from the masters' copy of the result, or the reason why an operator must
    decide.
    """
    lost = f"the ledger has not that {known.action} took effect, as the masters know: it is lost or an old copy"
    if known.kind == "transactional":
        return f"{lost}; look whether its effect is still in the node's database, and settle the step"
    value: Any = known.result
    try:
        return fill(command.params, value if isinstance(value, dict) else {"result": value})
    except InvalidInput as error:
        return f"{lost}, and their copy of its result does not fill the rollback: {error.message}"


def taken_from_masters(command: Command, known: ForwardOutcome) -> CommandResult:
    """Return the forward command's result as the masters know it, to be stored in the ledger."""
    assert command.compensates is not None
    return CommandResult(
        id=command.compensates, attempt=0, epoch=command.epoch, outcome=known.outcome, result=known.result, starts=1
    )
