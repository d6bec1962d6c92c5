"""The engine of running transactions: commits a decision, applies it in memory, then sends its commands.

Whatever dies in between, the rows are enough to resume. A transaction is changed under its own lock, one decision
at a time. Many transactions share each commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from fleetfold_master.events import (
    TransactionEnded,
    TransactionParked,
    TransactionResumed,
)
from fleetfold_master.jobs.command_cancellation import Cancellations
from fleetfold_master.jobs.command_dispatch import CommandSender, NodeHealth, Outgoing, send_all
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.transactions import rows
from fleetfold_master.transactions.abandoned_commands import abandoned_commands
from fleetfold_master.transactions.active import Active
from fleetfold_master.transactions.advance import advance, apply_result, begin, redrive
from fleetfold_master.transactions.model import Decision, Step, Tx
from fleetfold_master.transactions.recalled import resume_recalled
from fleetfold_master.transactions.transaction_engine_options import TransactionOptions
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import settle_all
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CommandResult, RecalledCommand, TimelineEntry

__all__ = ["TransactionEngine"]

_Decide = Callable[[Tx, Sequence[Step]], Decision]


class TransactionEngine:
    """The transactions that are `running`, and every change to them."""

    def __init__(
        self, store: Store, sender: CommandSender, clock: Clock, health: NodeHealth, options: TransactionOptions,
        cancellations: Cancellations | None,
    ) -> None:  # fmt: skip
        self._store, self._sender, self._clock, self._health = store, sender, clock, health
        self._policy, self._at_end, self._audited = options.policy, options.at_end, options.audited
        self._cancellations, self._owner, self._publish = cancellations, options.owner, options.publish
        self.running: dict[str, Active] = {}

    async def begin(self, tx: Tx, steps: Sequence[Step]) -> Active | None:
        """Commit a new transaction and send its first commands. Returns None if its id exists."""
        now = tx.created_at
        decision = begin(tx, steps, now, policy=self._policy)
        more = self._end(decision, now) if decision.tx.ended else ()
        if tx.id in self.running or not await self._store.claim(*rows.claim(decision), *more):
            return None
        active = Active(decision.tx, decision.steps, list(decision.entries))
        self._remember(active, decision)
        self._publish_state(tx, decision.tx)
        await self._send(active, decision.commands)
        return active

    async def take(self, active: Active, node: str, result: CommandResult) -> None:
        """Process a node's result, and what follows from it."""

        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            now, unhealthy = self._clock.wall(), self._unhealthy(steps)
            return apply_result(tx, steps, node, result, now, unhealthy=unhealthy, policy=self._policy)

        if not await self.apply(active, decide):
            await self._store.confirm()  # the master that has taken over may know it

    async def operate(self, active: Active, decide: Callable[..., Decision]) -> None:
        """Apply an operator's decision, a function of rows, `now` and `policy`."""
        await self.apply(active, lambda tx, steps: decide(tx, steps, now=self._clock.wall(), policy=self._policy))

    async def advance(self, actives: Iterable[Active]) -> None:
        """Process what is due for each of them."""

        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            return advance(tx, steps, self._clock.wall(), unhealthy=self._unhealthy(steps), policy=self._policy)

        await settle_all([self.apply(active, decide) for active in actives])

    async def redrive(self, actives: Iterable[Active], *, takeover: bool) -> None:
        """Send all their commands in flight again; with a higher epoch at a `takeover`."""

        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            return redrive(tx, steps, self._clock.wall(), takeover=takeover, policy=self._policy)

        await settle_all([self.apply(active, decide) for active in actives])

    async def resume(self, actives: Iterable[Active], recalled: Mapping[str, Sequence[RecalledCommand]]) -> None:
        """Resume work of an earlier master, with what the nodes have told of it where that is younger than the rows."""

        def decide(tx: Tx, steps: Sequence[Step]) -> Decision:
            return resume_recalled(tx, steps, recalled.get(tx.id, ()), self._clock.wall(), policy=self._policy)

        await settle_all([self.apply(active, decide) for active in actives])

    def taken_up(self, tx: Tx, steps: tuple[Step, ...], timeline: list[TimelineEntry]) -> Active:
        """Take over an unowned transaction, with an epoch above that of its last owner. Raises `Unavailable` if it is
        owned."""
        if not tx.ended:
            raise Unavailable(f"id: another master drives {tx.id!r} and cannot be reached; try again", field="id")
        if tx.owner != self._owner:
            tx = msgspec.structs.replace(tx, epoch=tx.epoch + 1)
        return Active(tx, steps, timeline)

    async def apply(self, active: Active, decide: _Decide) -> bool:
        """Make one decision, commit it and apply it in memory; then send, outside of the lock. Returns whether it
        changed anything."""
        async with active.lock:
            tx, before = active.tx, active.steps
            decision = decide(tx, before)
            writes = rows.changes(active.tx, active.steps, decision)
            if writes:
                if decision.tx.ended and decision.tx.state != active.tx.state:
                    writes += self._end(decision, self._clock.wall())
                await self._commit(active, writes)
                self._remember(active, decision)
                self._publish_state(tx, decision.tx)
        self._withdraw(before, decision)
        await self._send(active, decision.commands)
        return bool(writes)

    def _publish_state(self, before: Tx, tx: Tx) -> None:
        """Publish a committed change of a transaction's state."""
        if tx.state == before.state:
            return
        if tx.state == "parked":
            self._publish(TransactionParked(tx.id, tx.name, tx.caller))
        elif tx.ended:
            self._publish(TransactionEnded(tx.id, tx.name, tx.caller, tx.state))
        elif before.state == "parked":
            self._publish(TransactionResumed(tx.id, tx.name, tx.caller))

    def _end(self, decision: Decision, now: float) -> Sequence[Write]:
        """Further writes that are committed with the end of a transaction."""
        return [*self._at_end(decision.tx, now), *self._audited(decision.tx, decision.steps, now)]

    def _withdraw(self, before: Sequence[Step], decision: Decision) -> None:
        """Cancel the forward commands that were abandoned with a whole transaction."""
        if self._cancellations is not None and decision.entries:
            for node, command, began_at in abandoned_commands(before, decision):
                by = f"transaction {decision.tx.id}, which turns back"
                self._cancellations.cancel(node, [command], by, since=began_at)

    async def _commit(self, active: Active, writes: Sequence[Write]) -> None:
        """Commit. Another master may take over an unowned transaction at the same time: then only one of the two
        succeeds."""
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
        """Send commands; one that can never be sent counts as rejected."""
        for (node, command), error in await send_all(self._sender, commands):
            refusal = CommandResult(
                id=command.id, attempt=command.attempt, epoch=command.epoch, outcome="rejected", error=error.message
            )
            await self.take(active, node, refusal)

    def _unhealthy(self, steps: Sequence[Step]) -> set[str]:
        return {node for node in {step.node for step in steps} if not self._health.healthy(node)}
