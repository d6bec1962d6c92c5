"""A transaction that has not ended, in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from fleetfold_master.transactions.model import Step, Tx
from fleetfold_master.transactions.transaction_view import view_of
from fleetfold_shared.messages import TimelineEntry, TransactionView

__all__ = ["Active"]


@dataclass(slots=True)
class Active:
    """The committed state of a transaction that has not ended."""

    tx: Tx
    steps: tuple[Step, ...]
    timeline: list[TimelineEntry]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Future[None] | None = None

    def watch(self) -> asyncio.Future[None]:
        """A future that completes at the next change. It is shared by all watchers: pass it to `asyncio.wait`, never
        cancel it."""
        if self.changed is None:
            self.changed = asyncio.get_running_loop().create_future()
        return self.changed

    def tell(self) -> None:
        """Notify the watchers of a change."""
        if self.changed is not None:
            self.changed.set_result(None)
            self.changed = None

    @property
    def due_at(self) -> float:
        """The time of the next action without news. If nothing is planned it is now: a wake-up was lost."""
        times = [at for step in self.steps for at in (step.due_at, step.deadline_at) if at is not None]
        if self.tx.deadline_at is not None and self.tx.state == "running":
            times.append(self.tx.deadline_at)
        return min(times, default=0.0)

    def view(self) -> TransactionView:
        """The transaction as its caller sees it."""
        return view_of(self.tx, self.steps, self.timeline)
