"""The coordinator: it commits what `advance` decides, then sends; so whatever dies, the rows know how to go on.

A transaction is changed under its own lock, one decision after the other. Many transactions share each commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from fleetfold_broker.tasks import Undisturbed
from fleetfold_master.actions.delivery import AtEnd, Health, Outgoing, Sender, nothing_more, send_all, together
from fleetfold_master.actions.looking import look_until_ended
from fleetfold_master.actions.withdrawals import Withdrawals
from fleetfold_master.store.database import Store
from fleetfold_master.store.statements import Write
from fleetfold_master.transactions import rows
from fleetfold_master.transactions.active import Active
from fleetfold_master.transactions.advance import advance, apply_result, begin, cancel, redrive
from fleetfold_master.transactions.following import Tell, follow
from fleetfold_master.transactions.given_up import given_up
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx, parse_id
from fleetfold_master.transactions.operate import resolve, retry, skip
from fleetfold_master.transactions.rows import Loaded
from fleetfold_master.transactions.validate import Lookup, validate
from fleetfold_master.transactions.view import digest_of, view_of
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import Conflict, FleetfoldError, NotFound, Unavailable
from fleetfold_shared.messages import CommandResult, TimelineEntry, Transact, TransactionState, TransactionView

__all__ = ["Transactions"]


class Transactions:
    """All transactions of this master. The owner calls `recover` once, `sweep` every half second, and `close`.

    `lookup` is the registry; results of any command whose id begins with `t.` belong here. `at_end` is given each `Tx`
    when it is committed, rolled back or parked.
    """

    def __init__(
        self,
        store: Store,
        sender: Sender,
        clock: Clock,
        health: Health,
        lookup: Lookup,
        *,
        policy: Policy | None = None,
        at_end: AtEnd = nothing_more,
        withdrawals: Withdrawals | None = None,
        owner: str | None = None,
    ) -> None:
        self._owner = owner
        self._store = store
        self._sender = sender
        self._clock = clock
        self._health = health
        self._withdrawals = withdrawals
        self._lookup = lookup
        self._policy = policy or Policy()
        self._at_end = at_end
        self._active: dict[str, Active] = {}
        self._undisturbed = Undisturbed()
        self._late = asyncio.Lock()
        self._closing = False

    async def start(self, transact: Transact, caller: str, *, asked: Transact | None = None) -> TransactionView:
        """Accept a transaction, once: the same id again is the same one, and with other content a `Conflict`.

        `asked` is what the caller has sent, where `transact` was made of a definition. Raises what `validate` raises,
        and then nothing has happened. Returns when it is committed and its first commands have been handed to the
        sender; from here on it will end.
        """
        return await self._undisturbed.run(self._start(transact, caller, digest_of(asked or transact, caller)))

    async def known(self, asked: Transact, caller: str) -> TransactionView | None:
        """The transaction that `asked` has begun before; None if there is none."""
        if await rows.read_digest(self._store, asked.id) != digest_of(asked, caller):
            return None
        return await self.get(asked.id)

    async def cancel(self, key: str, by: str, why: str = "") -> TransactionView:
        """Turn back, for `by`; the transaction as it then stands. `NotFound`; `Conflict` when it is too late."""
        return await self._operate(key, partial(cancel, by=by, why=why))

    async def retry(self, key: str, by: str, step: str | None = None, why: str = "") -> TransactionView:
        """Try what is parked again. `NotFound`, `Conflict`."""
        return await self._operate(key, partial(retry, by=by, step=step, why=why))

    async def skip(self, key: str, by: str, step: str, why: str) -> TransactionView:
        """Leave a parked step as it is and go on. `NotFound`, `Conflict`."""
        return await self._operate(key, partial(skip, by=by, step=step, why=why))

    async def resolve(self, key: str, by: str, state: TransactionState, why: str) -> TransactionView:
        """End what is parked by hand. `NotFound`, `Conflict`."""
        return await self._operate(key, partial(resolve, by=by, state=state, why=why))

    async def on_result(self, node: str, result: CommandResult) -> bool:
        """Take what `node` answered; once this returns it is committed and may be acknowledged.

        False when the result is of no transaction here. A duplicate changes nothing.
        """
        address = parse_id(result.id)
        if address is None:
            return False
        if self._withdrawals is not None:
            self._withdrawals.forget(node, result.id)
        active = self._active.get(address.tx)
        if active is None:
            return await self._undisturbed.run(self._take_late(address.tx, node, result))
        await self._undisturbed.run(self._take(active, node, result))
        return True

    async def get(self, key: str) -> TransactionView:
        """The transaction as it stands, with its timeline; `NotFound`."""
        active = self._active.get(key)
        if active is not None:
            return active.view()
        loaded = await rows.load(self._store, key)
        if loaded is None:
            raise _unknown(key)
        return view_of(*loaded)

    async def wait(self, key: str, timeout_s: float) -> TransactionView:
        """The transaction when it has ended, or as it is after `timeout_s`."""
        active = self._active.get(key)
        if active is None:
            return await look_until_ended(partial(self.get, key), timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await active.ended.wait()
        except TimeoutError:
            pass
        return active.view()

    async def follow(self, key: str, after: int, wait_s: float, tell: Tell) -> TransactionView:
        """Tell what is added to its timeline behind the first `after` entries, until its end or for `wait_s`."""
        get, find = partial(self.get, key), partial(self._active.get, key)
        return await follow(get, find, after, wait_s, tell, lambda: self._closing)

    def let_go(self) -> None:
        """Whoever follows a transaction is answered now: this master is about to close."""
        self._closing = True
        for active in self._active.values():
            active.tell()

    async def list(self, limit: int = 50, state: TransactionState | None = None) -> list[TransactionView]:
        """The newest first, of those in `state` if it is given, without timelines."""
        return [view_of(*loaded) for loaded in await rows.load_newest(self._store, limit, state)]

    async def open_on(self, node: str) -> Sequence[str]:
        """The ids of some transactions that still need this node, whoever drives them."""
        return await rows.read_needing(self._store, node, limit=10)

    def drives(self, key: str) -> bool:
        """Whether this master has the transaction in hand."""
        return key in self._active

    async def owner_of(self, key: str) -> str | None:
        """The master that drives the transaction; None if it has ended, or there is none."""
        return await rows.read_owner(self._store, key)

    async def recover(self, keys: Sequence[str] | None = None) -> None:
        """Take over what an earlier master left unfinished, or of that what is in `keys`: the epoch rises, and all in
        flight is sent again.
        """
        fresh = []
        for tx, steps, timeline in await rows.load_unfinished(self._store, self._owner, keys):
            if tx.id not in self._active:
                self._active[tx.id] = Active(tx, steps, timeline)
                fresh.append(self._active[tx.id])
        await self._drive_all(fresh, self._redriving(takeover=True))

    async def resend_all(self) -> None:
        """Send all that is in flight again: the broker has lost it."""
        await self._drive_all(self._active.values(), self._redriving(takeover=False))

    async def sweep(self) -> None:
        """Do what time demands: timeouts, re-sends, tries after a wait, and whatever a lost wake-up left behind."""
        now = self._clock.wall()
        due = [active for active in self._active.values() if active.due_at <= now]
        await self._drive_all(due, self._advance)

    async def close(self) -> None:
        """Wait for what is being written. Transactions go on at the next start."""
        await self._undisturbed.close()

    async def _start(self, transact: Transact, caller: str, digest: str) -> TransactionView:
        try:
            steps = validate(transact, self._lookup)
        except FleetfoldError:
            if await rows.read_digest(self._store, transact.id) != digest:
                raise
            return await self.get(transact.id)  # it was accepted when its nodes were still there
        now = self._clock.wall()
        tx = Tx(
            id=transact.id, digest=digest, name=transact.name, caller=caller, created_at=now,
            deadline_at=None if transact.timeout_s is None else now + transact.timeout_s, owner=self._owner,
            callback=transact.callback,
            definition=transact.definition,
        )  # fmt: skip
        if transact.dry_run:
            return view_of(msgspec.structs.replace(tx, state="checked", ended_at=now), steps, ())
        decision = begin(tx, steps, now, policy=self._policy)
        more = self._at_end(decision.tx, now) if decision.tx.ended else ()
        if transact.id in self._active or not await self._store.claim(*rows.claim(decision), *more):
            return await self._existing(transact.id, digest)
        active = Active(decision.tx, decision.steps, list(decision.entries))
        self._remember(active, decision)
        await self._send(active, decision.commands)
        return active.view()

    async def _operate(self, key: str, decide: Callable[..., Decision]) -> TransactionView:
        """An operator's decision, given rows, `now` and `policy`; one that was parked is driven again."""
        return await self._undisturbed.run(self._operate_undisturbed(key, decide))

    async def _operate_undisturbed(self, key: str, decide: Callable[..., Decision]) -> TransactionView:
        async with self._late:
            active = self._active.get(key)
            if active is None:
                loaded = await rows.load(self._store, key)
                if loaded is None:
                    raise _unknown(key)
                active = Active(*self._taken_up(*loaded))
            await self._drive(active, lambda tx, steps: decide(tx, steps, now=self._clock.wall(), policy=self._policy))
        return active.view()

    async def _existing(self, key: str, digest: str) -> TransactionView:
        active = self._active.get(key)
        if (active.tx.digest if active else await rows.read_digest(self._store, key)) != digest:
            raise Conflict(f"id: {key!r} is another transaction; choose a new id", field="id")
        return await self.get(key)

    async def _take(self, active: Active, node: str, result: CommandResult) -> None:
        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            now, ill = self._clock.wall(), self._ill(steps)
            return apply_result(tx, steps, node, result, now, ill=ill, policy=self._policy)

        await self._drive(active, decide)

    async def _take_late(self, key: str, node: str, result: CommandResult) -> bool:
        """An answer to a transaction that has ended: it belongs in the timeline, and changes nothing else."""
        async with self._late:
            loaded = await rows.load(self._store, key)
            if loaded is not None:
                await self._take(Active(*self._taken_up(*loaded)), node, result)
        return loaded is not None

    async def _drive_all(self, actives: Iterable[Active], decide: _Decide) -> None:
        await self._undisturbed.run(together([self._drive(active, decide) for active in actives]))

    async def _drive(self, active: Active, decide: _Decide) -> None:
        """One decision: made, committed, remembered; then, outside of the lock, sent."""
        async with active.lock:
            before = active.steps
            decision = decide(active.tx, before)
            writes = rows.changes(active.tx, active.steps, decision)
            if writes:
                if decision.tx.ended and decision.tx.state != active.tx.state:
                    writes += self._at_end(decision.tx, self._clock.wall())
                await self._commit(active, writes)
                self._remember(active, decision)
        self._withdraw(before, decision)
        await self._send(active, decision.commands)

    def _withdraw(self, before: Sequence[Step], decision: Decision) -> None:
        """Have the forward commands stopped that were given up with a whole transaction."""
        if self._withdrawals is not None and decision.entries:
            for node, command, began_at in given_up(before, decision):
                by = f"transaction {decision.tx.id}, which turns back"
                self._withdrawals.cancel(node, [command], by, since=began_at)

    async def _commit(self, active: Active, writes: Sequence[Write]) -> None:
        """What is not in hand may be taken up by another master at the same time: then only one of the two does."""
        if active.tx.id in self._active:
            await self._store.write(*writes)
        elif not await self._store.claim(rows.guard(active.tx, self._owner), *writes):
            raise Unavailable(f"id: {active.tx.id!r} has just been changed by another master; look again", field="id")

    def _taken_up(self, tx: Tx, steps: tuple[Step, ...], timeline: Timeline) -> Loaded:
        """The rows of what nobody drives, for this master to change; its epoch is above that of its last one."""
        if not tx.ended:
            raise Unavailable(f"id: another master drives {tx.id!r} and cannot be reached; try again", field="id")
        if tx.owner != self._owner:
            tx = msgspec.structs.replace(tx, epoch=tx.epoch + 1)
        return tx, steps, timeline

    def _remember(self, active: Active, decision: Decision) -> None:
        if decision.tx is not active.tx:
            active.timeline += decision.entries
        active.tx, active.steps = decision.tx, decision.steps
        active.tell()
        if active.tx.ended:
            self._active.pop(active.tx.id, None)
            active.ended.set()
        else:
            self._active[active.tx.id] = active

    async def _send(self, active: Active, commands: Iterable[Outgoing]) -> None:
        """Hand commands over; one that can never be sent counts as rejected."""
        for (node, command), error in await send_all(self._sender, commands):
            refusal = CommandResult(
                id=command.id, attempt=command.attempt, epoch=command.epoch, outcome="rejected", error=error.message
            )
            await self._take(active, node, refusal)

    def _advance(self, tx: Tx, steps: Sequence[Step]) -> Decision:
        return advance(tx, steps, self._clock.wall(), ill=self._ill(steps), policy=self._policy)

    def _redriving(self, *, takeover: bool) -> _Decide:
        return lambda tx, steps: redrive(tx, steps, self._clock.wall(), takeover=takeover, policy=self._policy)

    def _ill(self, steps: Sequence[Step]) -> set[str]:
        return {node for node in {step.node for step in steps} if not self._health.healthy(node)}


def _unknown(key: str) -> NotFound:
    return NotFound(f"id: there is no transaction {key!r}; list them with `tx list`", field="id")


Timeline = list[TimelineEntry]
_Decide = Callable[[Tx, Sequence[Step]], Decision]
