"""How transactions go forward: a decision is committed, then remembered, and then its commands are sent; so whatever
dies, the rows know how to go on.

A transaction is changed under its own lock, one decision after the other. Many transactions share each commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from fleetfold_master.jobs.cancellation import Cancellations
from fleetfold_master.jobs.dispatch import AtEnd, CommandSender, NodeHealth, Outgoing, send_all, together
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.transactions import rows
from fleetfold_master.transactions.abandoned import given_up
from fleetfold_master.transactions.active import Active
from fleetfold_master.transactions.advance import advance, apply_result, begin, redrive
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CommandResult, TimelineEntry

__all__ = ["Audited", "TransactionEngine", "not_audited"]

_Decide = Callable[[Tx, Sequence[Step]], Decision]
Audited = Callable[[Tx, Sequence[Step], float], Sequence[Write]]
"""What the audit log gets with the end of a transaction, given its steps and the time."""


def not_audited(_tx: Tx, _steps: Sequence[Step], _now: float) -> Sequence[Write]:
    """Nothing."""
    return ()


class TransactionEngine:
    """The transactions that are `running`, and all that changes them. `owner` is the master that drives them."""

    def __init__(
        self, store: Store, sender: CommandSender, clock: Clock, health: NodeHealth, policy: Policy, at_end: AtEnd,
        withdrawals: Cancellations | None, owner: str | None, audited: Audited = not_audited,
    ) -> None:  # fmt: skip
        self._store, self._sender, self._clock, self._health = store, sender, clock, health
        self._policy, self._at_end, self._withdrawals, self._owner = policy, at_end, withdrawals, owner
        self._audited = audited
        self.running: dict[str, Active] = {}

    async def begin(self, tx: Tx, steps: Sequence[Step]) -> Active | None:
        """Commit a new transaction and send its first commands; None if there is one of that id already."""
        now = tx.created_at
        decision = begin(tx, steps, now, policy=self._policy)
        more = self._end(decision, now) if decision.tx.ended else ()
        if tx.id in self.running or not await self._store.claim(*rows.claim(decision), *more):
            return None
        active = Active(decision.tx, decision.steps, list(decision.entries))
        self._remember(active, decision)
        await self._send(active, decision.commands)
        return active

    async def take(self, active: Active, node: str, result: CommandResult) -> None:
        """What `node` answered, and what follows from it."""

        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            now, ill = self._clock.wall(), self._ill(steps)
            return apply_result(tx, steps, node, result, now, ill=ill, policy=self._policy)

        if not await self.drive(active, decide):
            await self._store.confirm()  # it may mean something to the master that has taken over

    async def operate(self, active: Active, decide: Callable[..., Decision]) -> None:
        """An operator's decision, given rows, `now` and `policy`."""
        await self.drive(active, lambda tx, steps: decide(tx, steps, now=self._clock.wall(), policy=self._policy))

    async def advance(self, actives: Iterable[Active]) -> None:
        """Do what time demands of them."""

        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            return advance(tx, steps, self._clock.wall(), ill=self._ill(steps), policy=self._policy)

        await together([self.drive(active, decide) for active in actives])

    async def redrive(self, actives: Iterable[Active], *, takeover: bool) -> None:
        """Send again all that they have in flight; at a `takeover` with a higher epoch."""

        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            return redrive(tx, steps, self._clock.wall(), takeover=takeover, policy=self._policy)

        await together([self.drive(active, decide) for active in actives])

    def taken_up(self, tx: Tx, steps: tuple[Step, ...], timeline: list[TimelineEntry]) -> Active:
        """What nobody drives, for this master to change; its epoch is above that of its last one. `Unavailable` when
        somebody does.
        """
        if not tx.ended:
            raise Unavailable(f"id: another master drives {tx.id!r} and cannot be reached; try again", field="id")
        if tx.owner != self._owner:
            tx = msgspec.structs.replace(tx, epoch=tx.epoch + 1)
        return Active(tx, steps, timeline)

    async def drive(self, active: Active, decide: _Decide) -> bool:
        """One decision: made, committed, remembered; then, outside of the lock, sent. Whether it changed anything."""
        async with active.lock:
            before = active.steps
            decision = decide(active.tx, before)
            writes = rows.changes(active.tx, active.steps, decision)
            if writes:
                if decision.tx.ended and decision.tx.state != active.tx.state:
                    writes += self._end(decision, self._clock.wall())
                await self._commit(active, writes)
                self._remember(active, decision)
        self._withdraw(before, decision)
        await self._send(active, decision.commands)
        return bool(writes)

    def _end(self, decision: Decision, now: float) -> Sequence[Write]:
        """What else is committed with the end of a transaction."""
        return [*self._at_end(decision.tx, now), *self._audited(decision.tx, decision.steps, now)]

    def _withdraw(self, before: Sequence[Step], decision: Decision) -> None:
        """Have the forward commands stopped that were given up with a whole transaction."""
        if self._withdrawals is not None and decision.entries:
            for node, command, began_at in given_up(before, decision):
                by = f"transaction {decision.tx.id}, which turns back"
                self._withdrawals.cancel(node, [command], by, since=began_at)

    async def _commit(self, active: Active, writes: Sequence[Write]) -> None:
        """What is not in hand may be taken up by another master at the same time: then only one of the two does."""
        if active.tx.id in self.running:
            await self._store.write(*writes)
        elif not await self._store.claim(rows.guard(active.tx, self._owner), *writes):
            raise Unavailable(f"id: {active.tx.id!r} has just been changed by another master; look again", field="id")

    def _remember(self, active: Active, decision: Decision) -> None:
        if decision.tx is not active.tx:
            active.timeline += decision.entries
        active.tx, active.steps = decision.tx, decision.steps
        active.tell()
        if active.tx.ended:
            self.running.pop(active.tx.id, None)
            active.ended.set()
        else:
            self.running[active.tx.id] = active

    async def _send(self, active: Active, commands: Iterable[Outgoing]) -> None:
        """Hand commands over; one that can never be sent counts as rejected."""
        for (node, command), error in await send_all(self._sender, commands):
            refusal = CommandResult(
                id=command.id, attempt=command.attempt, epoch=command.epoch, outcome="rejected", error=error.message
            )
            await self.take(active, node, refusal)

    def _ill(self, steps: Sequence[Step]) -> set[str]:
        return {node for node in {step.node for step in steps} if not self._health.healthy(node)}
