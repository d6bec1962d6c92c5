"""Operator commands on a parked transaction: retry, skip a step, or resolve by hand. Pure."""

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
    """Reset the tries of the parked steps, or of the one named. Raises `Conflict`, `NotFound`."""
    builder = _parked(tx, steps, now, policy)
    for each in _chosen(builder, step):
        if each.compensation:
            builder.settle(each, state="compensating", compensation_tries=0)
        else:
            builder.settle(each, state="running", tries=0)
        builder.note("to be tried again", builder.step(each.name), f"by {by}: {why}" if why else f"by {by}")
    _go_on(builder)
    return builder.decision()


def skip(
    tx: Tx, steps: Iterable[Step], step: str, by: str, why: str, now: float, *, policy: Policy | None = None
) -> Decision:
    """Leave the parked step as it is, and continue with the others. Raises `Conflict`, `NotFound`."""
    builder = _parked(tx, steps, now, policy)
    for each in _chosen(builder, step):
        builder.settle(each, state="skipped")
        builder.note("skipped", builder.step(each.name), f"by {by}: {why}")
    _go_on(builder)
    return builder.decision()


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
    """End the transaction in the given state. Raises `Conflict` if it is not parked."""
    builder = _parked(tx, steps, now, policy)
    builder.note("resolved", why=f"by {by}: {why}")
    builder.end(state)
    return builder.decision()


def _parked(tx: Tx, steps: Iterable[Step], now: float, policy: Policy | None) -> DecisionBuilder:
    if tx.state != "parked":
        raise Conflict(f"id: {tx.id!r} is {tx.state}; this is for one that is parked", field="id")
    return DecisionBuilder(tx, steps, now, policy=policy)


def _chosen(builder: DecisionBuilder, name: str | None) -> list[Step]:
    parked = [step for step in builder.in_order() if step.state == "parked"]
    chosen = [step for step in parked if name in {None, step.name}]
    if not chosen:
        known = ", ".join(step.name for step in parked)
        raise NotFound(f"step: there is no parked step {name!r}; parked are: {known}", field="step")
    return chosen


def _go_on(builder: DecisionBuilder) -> None:
    """Continue in the direction before parking: forward after the pivot, else compensation. The next sweep does the
    rest, because everything is due now."""
    onward = any(step.pivot and step.state != "waiting" for step in builder.steps())
    if any(step.pivot and step.state == "failed" for step in builder.steps()):
        onward = False
    builder.tx = msgspec.structs.replace(builder.tx, state="running" if onward else "compensating", ended_at=None)
