"""Retention: deletes what ended long ago in small batches, and returns the space to the disk.

Parked transactions stay, and so does what a pending delivery refers to; abandoned deliveries have the same
retention.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Delete, Table, bindparam, delete, exists, select

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.store.outbox_tables import outbox
from fleetfold_master.store.tables import job, job_node, step, timeline, tx
from fleetfold_shared.clock import Clock
from fleetfold_shared.config import RetentionConfig

__all__ = ["Retention"]

BATCH = 200
"""Records deleted in one commit, so that other writes do not wait for long."""
DAY_S = 86_400

_JOB_GOES = (
    delete(job_node).where(job_node.c.job == bindparam("key")),
    delete(job).where(job.c.id == bindparam("key")),
)
_TX_GOES = (
    delete(timeline).where(timeline.c.tx == bindparam("key")),
    delete(step).where(step.c.tx == bindparam("key")),
    delete(tx).where(tx.c.id == bindparam("key")),
)
_UNTELLABLE = delete(outbox).where(outbox.c.due_at.is_(None), outbox.c.created_at < bindparam("before"))


class Retention:
    """Keeps the database within the configured retention. The owner calls `prune` every hour."""

    def __init__(self, store: Store, clock: Clock, config: RetentionConfig) -> None:
        self._store, self._clock, self._config = store, clock, config

    async def prune(self) -> None:
        """Delete the jobs and transactions that ended longer ago than the retention time."""
        now = self._clock.wall()
        longest = max(self._config.jobs_days, self._config.transactions_days)
        await self._store.write(Write(_UNTELLABLE, [{"before": now - longest * DAY_S}]))
        await self._drop(job, ("running",), now - self._config.jobs_days * DAY_S, _JOB_GOES)
        unfinished = ("running", "compensating", "parked")
        await self._drop(tx, unfinished, now - self._config.transactions_days * DAY_S, _TX_GOES)
        await self._store.tidy()

    async def _drop(self, table: Table, unfinished: Sequence[str], before: float, goes: Sequence[Delete]) -> None:
        undelivered = exists().where(outbox.c.record == table.c.id)
        # What ended before then began before then: the index is by the beginning.
        old = (table.c.created_at < before, table.c.ended_at < before, table.c.state.not_in(unfinished), ~undelivered)
        query = select(table.c.id).where(*old).order_by(table.c.created_at).limit(BATCH)
        while found := await self._store.read(query):
            keys = [{"key": row["id"]} for row in found]
            await self._store.write(*(Write(statement, keys) for statement in goes))
