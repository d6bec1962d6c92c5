"""What a compensation tells its node of the forward command: the masters' own copy of an outcome that had an effect."""

from __future__ import annotations

import msgspec

from fleetfold_master.transactions.model import Step
from fleetfold_shared.messages import ForwardOutcome
from fleetfold_shared.templates import placeholders

__all__ = ["MOST_BYTES", "known_outcome"]

MOST_BYTES = 256 * 1024
"""Size limit of a result in a command; a larger one is left out."""


def known_outcome(step: Step, number: int) -> ForwardOutcome | None:
    """Return the known outcome of the step's `number`-th forward command; None if it may have had no effect."""
    outcome = step.runs[number - 1] if 0 < number <= len(step.runs) else None
    if outcome not in {"ok", "no_result"}:
        return None
    result = _needed(step) if outcome == "ok" and number == len(step.runs) else None
    return ForwardOutcome(action=step.action, kind=step.kind, outcome=outcome, result=result)


def _needed(step: Step) -> object:
    """The part of the result that the rollback's params refer to."""
    if step.rollback is None or not (paths := placeholders(step.rollback.params)):
        return None
    result = step.result
    if isinstance(result, dict):
        fields = {path.partition(".")[0] for path in paths}
        result = {name: value for name, value in result.items() if name in fields}
    return result if len(msgspec.json.encode(result)) <= MOST_BYTES else None
