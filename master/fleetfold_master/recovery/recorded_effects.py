"""Known effects: the newest commands of a node that took effect, as the rows of jobs and transactions say."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
from sqlalchemy import Column, ColumnElement, RowMapping, or_, select

from fleetfold_master.jobs.task import command_id
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import job, job_node, step, tx
from fleetfold_master.transactions.model import compensation_id_of, forward_id_of
from fleetfold_shared.messages import Rollback

__all__ = ["MOST", "TOOK_EFFECT", "KnownEffect", "read_known_effects"]

MOST = 10_000
"""The most tasks of jobs, and the most steps, that are compared."""
TOOK_EFFECT = ("ok", "no_result")
GONE = ("compensated", "skipped", "waiting")
"""States of steps that have no effect."""


class KnownEffect(NamedTuple):
    """A command that took effect, and the job or transaction `key` it belongs to. `kind` is None where the masters do
    not keep it. A compensation `undoes` a forward command."""

    id: str
    action: str
    kind: str | None
    outcome: str
    work: Literal["job", "transaction"]
    key: str
    state: str
    undoes: str | None = None


async def read_known_effects(store: Store, node: str, since: float) -> list[KnownEffect]:
    """The effects on `node`: of the newest jobs first, then of the newest transactions, but not of what ended before
    `since` (Unix seconds). Of a compensated step it is the effect of its compensation."""
    return [
        *await _of_jobs(store, node, since),
        *await _of_steps(store, node, since),
        *await _of_compensations(store, node, since),
    ]


def _recent(ended_at: Column[float], since: float) -> ColumnElement[bool]:
    return or_(ended_at.is_(None), ended_at >= since)


async def _of_jobs(store: Store, node: str, since: float) -> list[KnownEffect]:
    query = (
        select(job.c.id, job.c.action, job.c.state, job_node.c.outcome)
        .join(job_node, job_node.c.job == job.c.id)
        .where(job_node.c.node == node, job_node.c.outcome.in_(TOOK_EFFECT), _recent(job.c.ended_at, since))
        .order_by(job.c.created_at.desc())
        .limit(MOST)
    )
    return [
        KnownEffect(command_id(row["id"], node), row["action"], None, row["outcome"], "job", row["id"], row["state"])
        for row in await store.read(query)
    ]


async def _of_steps(store: Store, node: str, since: float) -> list[KnownEffect]:
    query = (
        select(tx.c.id, tx.c.state, step.c.name, step.c.action, step.c.kind, step.c.runs)
        .join(step, step.c.tx == tx.c.id)
        .where(step.c.node == node, step.c.state.not_in(GONE), _recent(tx.c.ended_at, since))
        .order_by(tx.c.created_at.desc())
        .limit(MOST)
    )
    return [
        KnownEffect(
            forward_id_of(row["id"], row["name"], number), row["action"], row["kind"], outcome,
            "transaction", row["id"], row["state"],
        )
        for row in await store.read(query)
        for number, outcome in enumerate(msgspec.json.decode(row["runs"]), start=1)
        if outcome in TOOK_EFFECT
    ]  # fmt: skip


async def _of_compensations(store: Store, node: str, since: float) -> list[KnownEffect]:
    query = (
        select(
            tx.c.id, tx.c.state, step.c.name, step.c.rollback, step.c.runs, step.c.compensation, step.c.compensations
        )
        .join(step, step.c.tx == tx.c.id)
        .where(step.c.node == node, step.c.state == "compensated", _recent(tx.c.ended_at, since))
        .order_by(tx.c.created_at.desc())
        .limit(MOST)
    )
    return [found for row in await store.read(query) if (found := _compensation(row)) is not None]


def _compensation(row: RowMapping) -> KnownEffect | None:
    """The last compensation of a step; None if there was nothing to compensate."""
    number, rollback = row["compensation"], msgspec.json.decode(row["rollback"] or "null", type=Rollback | None)
    if rollback is None or not number or msgspec.json.decode(row["runs"])[number - 1] not in TOOK_EFFECT:
        return None
    return KnownEffect(
        compensation_id_of(row["id"], row["name"], number, row["compensations"]), rollback.action, None, "ok",
        "transaction", row["id"], row["state"], forward_id_of(row["id"], row["name"], number),
    )  # fmt: skip
