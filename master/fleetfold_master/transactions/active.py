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
    """A transaction that has not ended: what is committed of it."""

    tx: Tx
    steps: tuple[Step, ...]
    timeline: list[TimelineEntry]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Future[None] | None = None

    def watch(self) -> asyncio.Future[None]:
        """Done at its next change. Whoever watches shares it: leave it to `asyncio.wait`, and do not cancel it."""
        if self.changed is None:
            self.changed = asyncio.get_running_loop().create_future()
        return self.changed

    def tell(self) -> None:
        """It has changed."""
        if self.changed is not None:
            self.changed.set_result(None)
            self.changed = None

    @property
    def due_at(self) -> float:
        """When something is to be done without any news. Nothing planned means now: a wake-up was lost."""
        times = [at for step in self.steps for at in (step.due_at, step.deadline_at) if at is not None]
        if self.tx.deadline_at is not None and self.tx.state == "running":
            times.append(self.tx.deadline_at)
        return min(times, default=0.0)

    def view(self) -> TransactionView:
        """As its caller sees it."""
        return view_of(self.tx, self.steps, self.timeline)
