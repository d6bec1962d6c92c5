"""Concurrency helpers for asyncio: background tasks, gathering, bounded waits, single flight, batches."""

from __future__ import annotations

from fleetfold_shared.concurrency.background_tasks import BackgroundTasks, UncancelledTasks
from fleetfold_shared.concurrency.chunks import batches
from fleetfold_shared.concurrency.futures import fail_if_open, resolve_if_open
from fleetfold_shared.concurrency.gathering import cancel_all, gather_all, gather_until, settle_all
from fleetfold_shared.concurrency.single_flight import SingleFlight
from fleetfold_shared.concurrency.uncancellable import UncancellableFuture, await_cancellable, await_uncancelled
from fleetfold_shared.concurrency.waiting import ends_within

__all__ = [
    "BackgroundTasks", "SingleFlight", "UncancellableFuture", "UncancelledTasks", "await_cancellable",
    "await_uncancelled", "batches", "cancel_all", "ends_within", "fail_if_open", "gather_all", "gather_until",
    "resolve_if_open", "settle_all",
]  # fmt: skip
