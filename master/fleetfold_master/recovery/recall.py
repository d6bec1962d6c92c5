"""Recall: a node is asked which masters it has heard, and what they had sent it that the database may lack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog
from sqlalchemy import select

from fleetfold_master.jobs.task import parse_command_id
from fleetfold_master.recovery import restoration_rows as rows
from fleetfold_master.recovery.known_work import KnownWork, Transactions
from fleetfold_master.recovery.old_copy import doubtful_marks, find_lost, is_younger
from fleetfold_master.recovery.restoration_rows import Fact
from fleetfold_master.store.database import Store
from fleetfold_master.store.row_helpers import KEYS_AT_ONCE
from fleetfold_master.store.tables import job, job_node
from fleetfold_master.transactions.model import parse_id
from fleetfold_master.transactions.rows import load_many
from fleetfold_shared.concurrency import batches
from fleetfold_shared.messages import LedgerRequest, LedgerVerdicts, MasterMark, RecalledCommand

__all__ = ["AskSince", "IsMarked", "Recall", "Recalled"]

log = structlog.get_logger(__name__)

MOST = 100_000
"""Most commands of one node that are looked at."""

AskSince = Callable[[str, LedgerRequest], Awaitable[LedgerVerdicts]]
"""Asks a node's ledger. Raises `Unavailable` if it does not answer."""
IsMarked = Callable[[str, MasterMark], bool]
"""Tells whether a master has made the mark that a node returns."""


class Recalled(NamedTuple):
    """What a node has told. `lost` says by what the database is known to be an old copy, if it is; `facts` are the
    commands that it lacks; `younger` counts the commands that were looked at. `restoration` is the highest number of
    one that the database does not know."""

    lost: str
    marks: Sequence[MasterMark]
    facts: Sequence[Fact]
    younger: int
    restoration: int = 0


class Recall:
    """Asks nodes, and compares their answers with the database."""

    def __init__(self, store: Store, ask: AskSince, is_marked: IsMarked) -> None:
        self._store, self._ask, self._is_marked = store, ask, is_marked

    async def of(self, node: str, mark: MasterMark, *, old: bool) -> Recalled:
        """Ask one node, as the master of this mark. Raises `Unavailable` if it does not answer.

        Unless the database is known to be an `old` copy, only what a master has sealed is believed: a node cannot make
        up a loss.
        """
        told = await self._ask(node, LedgerRequest(ids=["-"], since=[], mark=mark if old else None))
        if told.marks is None:  # a node of an earlier version
            return Recalled("", [], [], 0)
        marks = [mark for mark in told.marks if old or self._believed(node, mark)]
        doubtful = doubtful_marks(await rows.read_heights(self._store, node), marks)
        commands = [one for one in await self._since(node, doubtful) if old or self._believed(node, one.mark)]
        work = KnownWork(await self._jobs(node, commands), await self._transactions(commands))
        heights = await rows.read_heights(self._store, node)  # read again: another master goes on meanwhile
        facts = [fact for one in commands if (fact := work.lacks(node, one)) is not None]
        unknown = max((one.restoration for one in marks if is_younger(heights, one)), default=0)
        return Recalled(find_lost(heights, marks, commands, work.knows), marks, facts, len(commands), unknown)

    def _believed(self, node: str, mark: MasterMark) -> bool:
        believed = self._is_marked(node, mark)
        if not believed:
            log.warning("node.mark_refused", node=node, master=mark.master, meaning="no master of this fleet made it")
        return believed

    async def _since(self, node: str, marks: Sequence[MasterMark]) -> list[RecalledCommand]:
        found, more = list[RecalledCommand](), bool(marks)
        while more and len(found) < MOST:
            after = found[-1].id if found else ""
            told = await self._ask(node, LedgerRequest(ids=["-"], since=[*marks], after=after))
            found += told.commands
            more = told.more and bool(told.commands)
        return found

    async def _jobs(self, node: str, commands: Sequence[RecalledCommand]) -> set[str]:
        """Those of the commands' jobs that the database has for this node."""
        keys = {address[0] for one in commands if (address := parse_command_id(one.id)) is not None}
        found = set[str]()
        for part in batches(sorted(keys), KEYS_AT_ONCE):
            query = select(job.c.id).join(job_node, job_node.c.job == job.c.id)
            query = query.where(job.c.id.in_(part), job_node.c.node == node)
            found |= {row["id"] for row in await self._store.read(query)}
        return found

    async def _transactions(self, commands: Sequence[RecalledCommand]) -> Transactions:
        keys = {address.tx for one in commands if (address := parse_id(one.id)) is not None}
        return {key: (tx, steps) for key, (tx, steps, _) in (await load_many(self._store, sorted(keys))).items()}
