"""The coordinator: starts, lists, follows and operates all transactions of a master."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import msgspec

from fleetfold_master.jobs.command_cancellation import Cancellations
from fleetfold_master.jobs.command_dispatch import CommandSender, NodeHealth
from fleetfold_master.jobs.database_polling import poll_until_ended
from fleetfold_master.nodes import AskAgain
from fleetfold_master.store.database import Store
from fleetfold_master.transactions import rows
from fleetfold_master.transactions.active import Active
from fleetfold_master.transactions.advance import cancel
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx, parse_id
from fleetfold_master.transactions.operator_commands import resolve, retry, skip
from fleetfold_master.transactions.recalled import knows_command, park_unasked
from fleetfold_master.transactions.rows import Loaded
from fleetfold_master.transactions.transaction_engine import TransactionEngine
from fleetfold_master.transactions.transaction_engine_options import TransactionOptions
from fleetfold_master.transactions.transaction_view import digest_of, view_of
from fleetfold_master.transactions.transaction_watch import Tell, follow
from fleetfold_master.transactions.validation import Lookup, validate
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import UncancelledTasks, ends_within
from fleetfold_shared.errors import Conflict, FleetfoldError, NotFound
from fleetfold_shared.messages import CommandResult, RecalledCommand, Transact, TransactionState, TransactionView

__all__ = ["Transactions"]


class Transactions:
    """All transactions of this master. The owner calls `recover` once, `sweep` every half second, and `close`.

    `lookup` is the registry; results of any command whose id begins with `t.` belong here.
    """

    def __init__(
        self,
        store: Store,
        sender: CommandSender,
        clock: Clock,
        health: NodeHealth,
        lookup: Lookup,
        options: TransactionOptions | None = None,
        *,
        cancellations: Cancellations | None = None,
    ) -> None:
        options = options or TransactionOptions()
        self._refuses, self._ask_again, self._release = options.refuses, AskAgain(clock), options.release
        self._on_unknown = options.on_unknown
        self._store, self._clock, self._lookup, self._owner = store, clock, lookup, options.owner
        self._cancellations = cancellations
        self._engine = TransactionEngine(store, sender, clock, health, options, cancellations)
        self._active = self._engine.running
        self._uncancelled = UncancelledTasks()
        self._late = asyncio.Lock()
        self._closing = False

    async def start(
        self, transact: Transact, caller: str, role: str = "", *, asked: Transact | None = None
    ) -> TransactionView:
        """Accept a transaction, once: the same id again returns the same one, or raises `Conflict` for other content.

        `asked` is the caller's request if `transact` was expanded from a definition. Raises what `validate` raises,
        before anything is stored. Returns when it is committed and its first commands have been handed to the
        sender; from then on it will end.
        """
        return await self._start(transact, caller, role, digest_of(asked or transact, caller))

    async def known(self, asked: Transact, caller: str) -> TransactionView | None:
        """The transaction that the request `asked` has started before; None if there is none."""
        if await rows.read_digest(self._store, asked.id) != digest_of(asked, caller):
            return None
        return await self.get(asked.id)

    async def cancel(self, key: str, by: str, why: str = "") -> TransactionView:
        """Start compensation on behalf of `by`, and return the present state. Raises `NotFound`, or `Conflict` if too
        late."""
        return await self._operate(key, partial(cancel, by=by, why=why))

    async def retry(self, key: str, by: str, step: str | None = None, why: str = "") -> TransactionView:
        """Retry parked steps. Raises `NotFound`, `Conflict`."""
        return await self._operate(key, partial(retry, by=by, step=step, why=why))

    async def skip(self, key: str, by: str, step: str, why: str) -> TransactionView:
        """Leave a parked step as it is and continue. Raises `NotFound`, `Conflict`."""
        return await self._operate(key, partial(skip, by=by, step=step, why=why))

    async def resolve(self, key: str, by: str, state: TransactionState, why: str) -> TransactionView:
        """End a parked transaction by hand. Raises `NotFound`, `Conflict`."""
        return await self._operate(key, partial(resolve, by=by, state=state, why=why))

    async def on_result(self, node: str, result: CommandResult) -> bool:
        """Process a node's result; once this returns it is committed and may be acknowledged.

        Returns False if the result belongs to no transaction here. A duplicate changes nothing.
        """
        address = parse_id(result.id)
        if address is None:
            return False
        if self._refuses(node, result.incarnation, "result"):
            return await self._refused(address.tx, result.id)
        if self._cancellations is not None:
            self._cancellations.forget(node, result.id)
        active = self._active.get(address.tx)
        if active is None:
            return await self._uncancelled.run(self._take_late(address.tx, node, result))
        if not knows_command(active.tx, active.steps, result.id):
            self._on_unknown(node)
        await self._engine.take(active, node, result)
        return True

    async def _refused(self, key: str, command: str) -> bool:
        """Send what is in flight again, in place of a replaced process's result: the ledger of the process that has
        taken the node's name decides."""
        active = self._active.get(key)
        if active is not None and self._ask_again.now(command):
            await self._uncancelled.run(self._engine.redrive([active], takeover=False))
        return True

    async def get(self, key: str) -> TransactionView:
        """The transaction's present state, with its timeline. Raises `NotFound`."""
        active = self._active.get(key)
        if active is not None:
            return active.view()
        return view_of(*await self._load(key))

    async def wait(self, key: str, timeout_s: float) -> TransactionView:
        """The transaction when it has ended, or its state after `timeout_s`."""
        active = self._active.get(key)
        if active is None:
            return await poll_until_ended(partial(self.get, key), timeout_s)
        await ends_within(timeout_s, active.ended.wait())
        return active.view()

    async def follow(self, key: str, after: int, wait_s: float, tell: Tell) -> TransactionView:
        """Pass timeline entries behind the first `after` to `tell` as they come, until the end or for `wait_s`."""
        get, find = partial(self.get, key), partial(self._active.get, key)
        return await follow(get, find, after, wait_s, tell, lambda: self._closing)

    def release_followers(self) -> None:
        """Answer all followers now, because this master is about to close."""
        self._closing = True
        for active in self._active.values():
            active.tell()

    async def list(self, limit: int = 50, state: TransactionState | None = None) -> list[TransactionView]:
        """The newest transactions first, of `state` if given, without timelines."""
        return [view_of(*loaded) for loaded in await rows.load_newest(self._store, limit, state)]

    async def open_on(self, node: str) -> Sequence[str]:
        """The ids of some open transactions that still need this node, of all masters."""
        return await rows.read_needing(self._store, node, limit=10)

    def owns(self, key: str) -> bool:
        """Whether this master owns the transaction."""
        return key in self._active

    async def fetch(self, key: str) -> bool:
        """Whether the transaction is in memory; those of this master that have not ended are, unless held back. Raises
        `Unavailable` for one that stays so."""
        if not self.owns(key):
            await self._release(key)
        return self.owns(key)

    async def owner_of(self, key: str) -> str | None:
        """The master that owns the transaction; None if it has ended or does not exist."""
        return await rows.read_owner(self._store, key)

    async def recover(
        self, keys: Sequence[str] | None = None, recalled: Mapping[str, Sequence[RecalledCommand]] | None = None
    ) -> None:
        """Resume transactions of an earlier master, or those of them in `keys`: the epoch rises, and all commands in
        flight are sent again. `recalled` is what nodes have told, by id, after an old copy of the rows was put back."""
        fresh = await self._take_up(keys)
        await self._uncancelled.run(self._engine.resume(fresh, recalled or {}))

    async def park_unasked(self, waiting: Mapping[str, Collection[str]], by: str) -> None:
        """Park transactions of an earlier master that wait for nodes, by id, which could not be asked."""

        def decide(tx: Tx, steps: Sequence[Step], now: float, policy: Policy) -> Decision:
            return park_unasked(tx, steps, sorted(waiting[tx.id]), by, now, policy=policy)

        for active in await self._take_up([*waiting]):
            await self._uncancelled.run(self._engine.operate(active, decide))

    async def resend_all(self) -> None:
        """Send all commands in flight again: the broker lost them."""
        await self._uncancelled.run(self._engine.redrive(self._active.values(), takeover=False))

    async def sweep(self) -> None:
        """Process what is due: time limits, re-sends, tries after a wait, and lost wake-ups."""
        now = self._clock.wall()
        due = [active for active in self._active.values() if active.due_at <= now]
        await self._uncancelled.run(self._engine.advance(due))

    async def close(self) -> None:
        """Wait for the writes in progress. Transactions are resumed at the next start."""
        await self._uncancelled.close()

    async def _take_up(self, keys: Sequence[str] | None) -> Sequence[Active]:
        """Take unfinished transactions of an earlier master into memory. Returns those that were not there."""
        fresh = []
        for tx, steps, timeline in await rows.load_unfinished(self._store, self._owner, keys):
            if tx.id not in self._active:
                self._active[tx.id] = Active(tx, steps, timeline)
                fresh.append(self._active[tx.id])
        return fresh

    async def _start(self, transact: Transact, caller: str, role: str, digest: str) -> TransactionView:
        try:
            steps = validate(transact, self._lookup)
        except FleetfoldError:
            if await rows.read_digest(self._store, transact.id) != digest:
                raise
            return await self.get(transact.id)  # it was accepted before, when its nodes still existed
        now = self._clock.wall()
        tx = Tx(
            id=transact.id, digest=digest, name=transact.name, caller=caller, created_at=now,
            deadline_at=None if transact.timeout_s is None else now + transact.timeout_s, owner=self._owner,
            callback=transact.callback,
            definition=transact.definition, role=role,
        )  # fmt: skip
        if transact.dry_run:
            return view_of(msgspec.structs.replace(tx, state="checked", ended_at=now), steps, ())
        active = await self._engine.begin(tx, steps)
        return await self._existing(tx.id, digest) if active is None else active.view()

    async def _operate(self, key: str, decide: Callable[..., Decision]) -> TransactionView:
        """Apply an operator's decision, a function of rows, `now` and `policy`; a parked transaction becomes active
        again."""
        return await self._uncancelled.run(self._operate_uncancelled(key, decide))

    async def _operate_uncancelled(self, key: str, decide: Callable[..., Decision]) -> TransactionView:
        async with self._late:
            active = self._active.get(key) or self._engine.taken_up(*await self._load(key))
            await self._engine.operate(active, decide)
        return active.view()

    async def _existing(self, key: str, digest: str) -> TransactionView:
        active = self._active.get(key)
        if (active.tx.digest if active else await rows.read_digest(self._store, key)) != digest:
            raise Conflict(f"id: {key!r} is another transaction; choose a new id", field="id")
        return await self.get(key)

    async def _take_late(self, key: str, node: str, result: CommandResult) -> bool:
        """Add a late result of an ended transaction to its timeline; it changes nothing else."""
        async with self._late:
            loaded = await rows.load(self._store, key)
            if loaded is not None:
                await self._engine.take(self._engine.taken_up(*loaded), node, result)
        return loaded is not None

    async def _load(self, key: str) -> Loaded:
        loaded = await rows.load(self._store, key)
        if loaded is None:
            raise NotFound(f"id: there is no transaction {key!r}; list them with `tx list`", field="id")
        return loaded
