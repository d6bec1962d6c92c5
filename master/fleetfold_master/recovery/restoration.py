"""Restoration: what a master does when its database is an old copy, and how it knows.

Each node is asked once in a master's life what it has that the database may lack: at the start, before anything goes
on, or when it comes. As soon as one shows that the database is an old copy, or an operator says so, this is noted in
the database, for all of its masters. A master that is at work already drops what it has in memory, sends nothing more,
and starts anew; at the start all transactions are held until their nodes were asked. When all were, the note ends.

The masters share the work by the rows: a node that one of them has asked is not asked again, and each resumes its own
transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import structlog

from fleetfold_broker.quarantine import set_aside
from fleetfold_master.nodes import Registry
from fleetfold_master.recovery import restoration_rows as rows
from fleetfold_master.recovery.held_transactions import PATIENCE_S, HeldTransactions, Resumable
from fleetfold_master.recovery.recall import Recall, Recalled
from fleetfold_master.recovery.restoration_rows import OldCopy
from fleetfold_master.store.database import Store
from fleetfold_master.transactions.rows import read_unfinished_nodes
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import batches, settle_all
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import MasterMark, MastersReconciled

__all__ = ["Restoration"]

log = structlog.get_logger(__name__)

AT_ONCE = 32
AGAIN_S = 5.0
MOST_LISTED = 10_000


class Marking(Protocol):
    """The membership of this master, by which it marks what it sends."""

    @property
    def mark(self) -> MasterMark: ...

    def restored(self, number: int) -> None: ...

    def begin_again(self) -> None: ...


class Restoration:
    """The restoration of one master in one lifetime. The owner calls `start` before anything is resumed, and `sweep`
    twice a second.

    `membership` marks what is sent, and ends this lifetime. `marker` is the file that tells of a restore; `declared`:
    the operator has.
    """

    def __init__(
        self, store: Store, clock: Clock, registry: Registry, recall: Recall, held: HeldTransactions,
        membership: Marking, marker: Path, *, declared: bool = False,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._registry, self._recall, self._held = store, clock, registry, recall, held
        self._membership, self._marker, self._declared = membership, marker, declared
        self._old: OldCopy | None = None
        self._asked: dict[str, int] = {}
        self._transactions: Resumable | None = None
        self._patient_until = 0.0
        self._found, self._ending = "", ""
        self._suspected: dict[str, float] = {}
        self._turn = asyncio.Lock()

    @property
    def old(self) -> OldCopy | None:
        """Why the database is known to be an old copy; None if it is not."""
        return self._old

    def refuses(self, _node: str) -> str:
        """Why nothing may be sent now; empty if it may."""
        return self._ending

    def suspect(self, node: str) -> None:
        """Ask the node again: it has answered a command that the database does not know. At most every `AGAIN_S`
        seconds, whatever it answers."""
        now = self._clock.monotonic()
        if self._old is None and now - self._suspected.get(node, -AGAIN_S) >= AGAIN_S:
            self._suspected[node] = now
            self._asked.pop(node, None)

    async def start(self, transactions: Resumable) -> None:
        """Hold this master's transactions, ask the nodes that are there, and resume what may go on."""
        self._transactions = transactions
        self._patient_until = self._clock.monotonic() + PATIENCE_S
        if why := self._told_by_operator():
            await rows.begin(self._store, OldCopy(self._clock.wall(), why))
        await self._enter(await rows.read(self._store))
        await self._held.hold()
        async with self._turn:
            await self._ask_all()
            if self._found:
                await self._note()
                await self._enter(await rows.read(self._store))
                await self._ask_all()
            await self._go_on()

    async def sweep(self) -> None:
        """Ask the nodes that have come, and take part in what another master has found or ended."""
        if self._ending or self._transactions is None:
            return
        async with self._turn:
            noted = await rows.read(self._store)
            if noted is None and self._old is not None:
                await self._leave("another master")
            elif noted is not None:
                self._membership.restored(await rows.read_number(self._store))
            await self._ask_all(only_up=True)
            if self._found:
                noted = await self._note()
            if noted is not None and self._old is None:
                self._fence(noted)
            else:
                await self._go_on()

    async def take_over(self, keys: Collection[str]) -> None:
        """Resume transactions of a dead master, or hold them until their nodes were asked."""
        assert self._transactions is not None
        if self._old is None:
            await self._transactions.recover([*keys])
            return
        await self._held.hold(keys)
        async with self._turn:
            await self._go_on()

    async def release(self, key: str) -> None:
        """Resume one held transaction that somebody asks for. Raises `Unavailable` if it must wait."""
        if self._transactions is not None:
            await self._held.release(self._transactions, key)

    async def reconcile(self, by: str, *, accept: bool) -> MastersReconciled:
        """Ask the nodes that were not asked yet, and say what is known. With `accept` go on without the others, and
        forget the list of what is lost."""
        async with self._turn:
            old, parked = self._old, list[str]()
            if old is not None:
                await self._ask_all()
                await self._go_on()
            unanswered = self._unasked() if old is not None else []
            lost, many = await rows.read_lost(self._store, MOST_LISTED), await rows.count_lost(self._store)
            if accept:
                parked = await self._accept(by)
            still = self._old
            return MastersReconciled(
                reason=still.reason if still else "", since=still.since if still else None,
                asked=dict(self._asked) if old else {}, unanswered=unanswered, held=self._held.waiting(self._asked),
                lost=lost, more=many - len(lost), parked=parked,
            )  # fmt: skip

    async def _accept(self, by: str) -> list[str]:
        await rows.forget_lost(self._store)
        if self._old is None:
            return []
        await rows.end(self._store)
        return await self._leave(by)

    def _told_by_operator(self) -> str:
        if self._declared:
            return "the operator says so, by --restored"
        return f"{self._marker} beside it says so" if self._marker.exists() else ""

    async def _enter(self, old: OldCopy | None) -> None:
        """Take note of the database's restorations; if it is an old copy now, every node has to be asked."""
        self._membership.restored(await rows.read_number(self._store))
        if old is not None and self._old is None:
            self._old, self._asked = old, {}
            self._held.known_as_old()
            log.error("master.database_is_old", reason=old.reason, meaning="transactions wait until nodes were asked")

    async def _note(self) -> OldCopy:
        """Note for all masters what a node has shown."""
        found, self._found = OldCopy(self._clock.wall(), self._found), ""
        await rows.begin(self._store, found)
        return await rows.read(self._store) or found

    def _fence(self, noted: OldCopy) -> None:
        """Send nothing more, and start anew with what is in the database."""
        self._ending = f"the masters' database is an old copy ({noted.reason}); this master starts anew"
        log.error("master.database_is_old", reason=noted.reason, meaning="this master starts anew")
        self._membership.begin_again()

    async def _go_on(self) -> None:
        """Resume what waits for no node any more; end the restoration when nothing does."""
        assert self._transactions is not None
        patient = self._old is not None or self._clock.monotonic() < self._patient_until
        await self._held.go_on(self._transactions, self._asked, all_of_them=not patient)
        if self._old is None or self._unasked():
            return
        nodes = (await read_unfinished_nodes(self._store)).values()
        if set().union(*nodes) <= self._asked.keys():
            await rows.end(self._store)
            await self._leave("")

    async def _leave(self, by: str) -> list[str]:
        """Resume or park what is held; the database is no more known as an old copy."""
        assert self._transactions is not None
        parked = await self._held.give_up(self._transactions, await rows.read_asked(self._store), by)
        self._old, kept = None, set_aside(self._marker, "done")
        log.warning("master.database_is_reconciled", asked=len(self._asked), parked=parked, kept=kept and str(kept))
        return parked

    def _unasked(self) -> list[str]:
        return [node.name for node in self._registry.all() if node.name not in self._asked]

    async def _ask_all(self, *, only_up: bool = False) -> None:
        if self._old is not None:
            self._asked = await rows.read_asked(self._store)
        nodes = [node for node in self._unasked() if not only_up or self._registry.is_up(node)]
        for some in batches(nodes, AT_ONCE):
            await settle_all([self._ask(node) for node in some])

    async def _ask(self, node: str) -> None:
        """Ask a node; one that does not answer is asked another time."""
        if self._registry.get(node).ledger is None:  # of an earlier version, which keeps no marks
            if self._old is not None:
                await self._take(node, Recalled("", [], [], 0))
        elif self._old is None or not self._registry.refuses_ledger(node):  # what an old ledger tells is not all
            try:
                mark = self._membership.mark
                await self._take(node, await self._recall.of(node, mark, old=self._old is not None))
            except FleetfoldError as error:
                log.debug("node.not_asked", node=node, reason=error.message)

    async def _take(self, node: str, told: Recalled) -> None:
        """Take what a node has told: whether the database is an old copy, or what that lacks."""
        if self._old is not None:
            if told.restoration >= self._membership.mark.restoration:
                await self._number_above(told.restoration)
                return  # it is asked again, so that it admits nothing of that restoration any more
            await rows.store_asked(self._store, node, told.marks, told.facts, told.younger)
        elif told.lost:
            self._found = f"{node}: {told.lost}"
        self._asked[node] = told.younger

    async def _number_above(self, number: int) -> None:
        """Take a higher number than that of a restoration which this copy does not know."""
        await rows.raise_number(self._store, number + 1)
        self._membership.restored(number + 1)
