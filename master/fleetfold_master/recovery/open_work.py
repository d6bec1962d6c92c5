"""Open work of a node: the jobs and transactions that have not ended and need its ledger."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import job, job_node
from fleetfold_master.transactions.rows import read_needing

__all__ = ["read_open_work"]

MOST = 5


async def read_open_work(store: Store, node: str) -> Sequence[str]:
    """Return some of it, as `job j1` or `transaction t1`."""
    query = (
        select(job.c.id)
        .join(job_node, job_node.c.job == job.c.id)
        .where(job.c.state == "running", job_node.c.node == node, job_node.c.outcome.is_(None))
        .order_by(job.c.id)
        .limit(MOST)
    )
    jobs = [f"job {row['id']}" for row in await store.read(query)]
    return [*jobs, *(f"transaction {key}" for key in await read_needing(store, node, MOST))][:MOST]
