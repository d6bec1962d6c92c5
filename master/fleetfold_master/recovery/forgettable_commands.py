"""Settled commands: those that a node's ledger may forget, because nothing that a master does needs them any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Executable, select

from fleetfold_master.jobs.task import parse_command_id
from fleetfold_master.store.database import Store
from fleetfold_master.store.row_helpers import KEYS_AT_ONCE
from fleetfold_master.store.tables import job, job_node, step, tx
from fleetfold_master.transactions.model import parse_id
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import batches
from fleetfold_shared.config import RetentionConfig
from fleetfold_shared.messages import CommandsConfirmed

__all__ = ["SETTLED_S", "SettledCommands"]

SETTLED_S = 3600.0
"""Seconds after the end of a job or transaction until its commands are settled: attempts that were sent before the end
may still be in the node's queue.
"""
DAY_S = 86_400.0


class SettledCommands:
    """Tells which commands are settled, from the rows of jobs and transactions. A parked transaction has not ended."""

    def __init__(self, store: Store, clock: Clock, retention: RetentionConfig) -> None:
        shortest_s = min(retention.jobs_days, retention.transactions_days) * DAY_S
        self._store, self._clock, self._after_s = store, clock, min(SETTLED_S, shortest_s / 2)

    async def among(self, node: str, ids: Sequence[str]) -> CommandsConfirmed:
        """Sort the ids of commands of `node`: settled, open, or unknown. Another node's are unknown."""
        jobs = {each: parsed[0] for each in ids if (parsed := parse_command_id(each)) is not None}
        transactions = {each: address.tx for each in ids if (address := parse_id(each)) is not None}
        of_jobs = await self._read(_jobs, node, jobs.values())
        of_transactions = await self._read(_transactions, node, transactions.values())
        ended = {each: of_jobs[key] for each, key in jobs.items() if key in of_jobs}
        ended |= {each: of_transactions[key] for each, key in transactions.items() if key in of_transactions}
        return CommandsConfirmed(
            settled=[each for each in ids if ended.get(each)],
            unknown=[each for each in ids if each not in ended],
        )

    async def _read(
        self, query: Callable[[str, Sequence[str]], Executable], node: str, keys: Iterable[str]
    ) -> dict[str, bool]:
        """Return, for those of the `keys` that have to do with `node`, whether they ended long enough ago."""
        before, found = self._clock.wall() - self._after_s, dict[str, bool]()
        for part in batches(sorted(set(keys)), KEYS_AT_ONCE):
            for row in await self._store.read(query(node, part)):
                ended = row["state"] not in _OPEN and row["ended_at"] is not None
                found[row["id"]] = ended and row["ended_at"] < before
        return found


_OPEN = frozenset({"running", "compensating", "parked"})


def _jobs(node: str, keys: Sequence[str]) -> Executable:
    query = select(job.c.id, job.c.state, job.c.ended_at).join(job_node, job_node.c.job == job.c.id)
    return query.where(job.c.id.in_(keys), job_node.c.node == node)


def _transactions(node: str, keys: Sequence[str]) -> Executable:
    query = select(tx.c.id, tx.c.state, tx.c.ended_at).join(step, step.c.tx == tx.c.id)
    return query.where(tx.c.id.in_(keys), step.c.node == node)
