"""What has long ended goes, a little at a time, and the room it took goes back to the disk.

What is parked stays, and so does what somebody has still to be told of; what was given up is kept as long as the rest.
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
"""Records that go in one commit: others are waiting for theirs."""
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
    """Keeps the database as small as the settings want it. The owner calls `prune` every hour."""

    def __init__(self, store: Store, clock: Clock, config: RetentionConfig) -> None:
        self._store, self._clock, self._config = store, clock, config

    async def prune(self) -> None:
        """Drop the jobs and the transactions that ended longer ago than the settings say."""
        now = self._clock.wall()
        longest = max(self._config.jobs_days, self._config.transactions_days)
        await self._store.write(Write(_UNTELLABLE, [{"before": now - longest * DAY_S}]))
        await self._drop(job, ("running",), now - self._config.jobs_days * DAY_S, _JOB_GOES)
        kept = ("running", "compensating", "parked")
        await self._drop(tx, kept, now - self._config.transactions_days * DAY_S, _TX_GOES)
        await self._store.tidy()

    async def _drop(self, table: Table, kept: Sequence[str], before: float, goes: Sequence[Delete]) -> None:
        untold = exists().where(outbox.c.record == table.c.id)
        # One that ended before then began before then: the index is by its beginning.
        old = (table.c.created_at < before, table.c.ended_at < before, table.c.state.not_in(kept), ~untold)
        query = select(table.c.id).where(*old).order_by(table.c.created_at).limit(BATCH)
        while found := await self._store.read(query):
            keys = [{"key": row["id"]} for row in found]
            await self._store.write(*(Write(statement, keys) for statement in goes))
