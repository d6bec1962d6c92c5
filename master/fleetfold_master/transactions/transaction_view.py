"""The view of a transaction for its caller, and the digest of its request."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fleetfold_master.store.row_helpers import digest
from fleetfold_master.transactions.model import Step, Tx
from fleetfold_shared.messages import StepView, TimelineEntry, Transact, TransactionView

__all__ = ["digest_of", "view_of"]


def digest_of(transact: Transact, caller: str) -> str:
    """A digest of the request and its caller: the same id with another digest is a conflict."""
    content = [msgspec.structs.replace(transact, wait_ms=0), caller]
    return digest(content)


def view_of(tx: Tx, steps: Sequence[Step], timeline: Sequence[TimelineEntry]) -> TransactionView:
    """The caller's view of the rows, without the coordinator's internals."""
    return TransactionView(
        id=tx.id,
        name=tx.name,
        state=tx.state,
        steps=[_step_view(step, would_run=tx.state == "checked") for step in steps],
        timeline=list(timeline),
        caller=tx.caller,
        created_at=tx.created_at,
        ended_at=tx.ended_at,
        error=tx.error,
        definition=tx.definition,
    )


def _step_view(step: Step, *, would_run: bool) -> StepView:
    return StepView(
        name=step.name,
        node=step.node,
        action=step.action,
        stage=step.stage,
        state=step.state,
        attempts=step.tries,
        result=step.result,
        error=step.error,
        would_run=would_run,
    )
