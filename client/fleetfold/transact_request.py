"""The request to run a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetfold.transaction_builder import Transaction
from fleetfold_shared.messages import StepSpec, Transact

__all__ = ["Steps", "transact_request"]

Steps = Sequence[StepSpec] | Transaction | str
"""What to run: steps, a transaction that was built, or the name of a definition."""


def transact_request(steps: Steps, inputs: Mapping[str, Any] | None, **more: Any) -> Transact:
    """Build the message of `steps`; `more` are further fields of it."""
    if isinstance(steps, str):
        return Transact(definition=steps, inputs=dict(inputs or {}), **more)
    if isinstance(steps, Transaction):
        more["name"] = more["name"] or steps.name
        within_s = more.pop("timeout_s", None)
        within_s = steps.within_s if within_s is None else within_s
        return Transact(steps=steps.steps(), inputs=steps.given(inputs), timeout_s=within_s, **more)
    return Transact(steps=list(steps), inputs=dict(inputs or {}), **more)
