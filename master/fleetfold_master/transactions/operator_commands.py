"""What an operator can do about a parked transaction: try again, leave a step as it is, or end it by hand. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fleetfold_master.transactions.decision_builder import DecisionBuilder
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx
from fleetfold_shared.errors import Conflict, NotFound
from fleetfold_shared.messages import TransactionState

__all__ = ["resolve", "retry", "skip"]


def retry(
    tx: Tx, steps: Iterable[Step], by: str, now: float, step: str | None = None, *, why: str = "",
    policy: Policy | None = None,
) -> Decision:  # fmt: skip
    """The parked steps, or the one named, may be tried again as often as at first. `Conflict`, `NotFound`."""
    draft = _parked(tx, steps, now, policy)
    for each in _chosen(draft, step):
        if each.undo:
            draft.settle(each, state="compensating", undo_tries=0)
        else:
            draft.settle(each, state="running", tries=0)
        draft.note("to be tried again", draft.step(each.name), f"by {by}: {why}" if why else f"by {by}")
    _go_on(draft)
    return draft.decision()


def skip(
    tx: Tx, steps: Iterable[Step], step: str, by: str, why: str, now: float, *, policy: Policy | None = None
) -> Decision:
    """The parked step is left as it is, and the others go on. `Conflict`, `NotFound`."""
    draft = _parked(tx, steps, now, policy)
    for each in _chosen(draft, step):
        draft.settle(each, state="skipped")
        draft.note("skipped", draft.step(each.name), f"by {by}: {why}")
    _go_on(draft)
    return draft.decision()


def resolve(
    tx: Tx,
    steps: Iterable[Step],
    state: TransactionState,
    by: str,
    why: str,
    now: float,
    *,
    policy: Policy | None = None,
) -> Decision:
    """It has ended so, says an operator. `Conflict` when it is not parked."""
    draft = _parked(tx, steps, now, policy)
    draft.note("resolved", why=f"by {by}: {why}")
    draft.end(state)
    return draft.decision()


def _parked(tx: Tx, steps: Iterable[Step], now: float, policy: Policy | None) -> DecisionBuilder:
    if tx.state != "parked":
        raise Conflict(f"id: {tx.id!r} is {tx.state}; this is for one that is parked", field="id")
    return DecisionBuilder(tx, steps, now, policy=policy)


def _chosen(draft: DecisionBuilder, name: str | None) -> list[Step]:
    parked = [step for step in draft.in_order() if step.state == "parked"]
    chosen = [step for step in parked if name in {None, step.name}]
    if not chosen:
        known = ", ".join(step.name for step in parked)
        raise NotFound(f"step: there is no parked step {name!r}; parked are: {known}", field="step")
    return chosen


def _go_on(draft: DecisionBuilder) -> None:
    """Where it was going when it was parked: forward behind its point of no return, else back. The sweep does the rest:
    nothing is due later than now.
    """
    onward = any(step.pivot and step.state != "waiting" for step in draft.steps())
    if any(step.pivot and step.state == "failed" for step in draft.steps()):
        onward = False
    draft.tx = msgspec.structs.replace(draft.tx, state="running" if onward else "compensating", ended_at=None)
