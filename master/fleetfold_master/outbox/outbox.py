"""The outbox: notifications of ended jobs and transactions, from their commit to their arrival."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.event_publisher import EventStore
from fleetfold_master.events import Publish
from fleetfold_master.outbox import rows
from fleetfold_master.outbox.end_notifications import EndedJob, job_ended, transaction_ended
from fleetfold_master.outbox.publisher import OnAbandoned, Publisher
from fleetfold_master.outbox.rendering import event_of, webhook_of
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.transactions.model import Tx
from fleetfold_master.webhooks.destinations import Destinations
from fleetfold_master.webhooks.model import Delivery, NotDelivered
from fleetfold_master.webhooks.webhook_sender import Webhooks
from fleetfold_master.webhooks.webhook_signing import WebhookSecret
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.config import CallbacksConfig
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import encode

__all__ = ["Outbox"]


class Outbox:
    """`async with Outbox.open(...)`; what is written before `start` is sent after it."""

    def __init__(
        self, store: Store, clock: Clock, destinations: Destinations, webhooks: Webhooks | None,
        on_abandoned: OnAbandoned, publish: Publish,
    ) -> None:  # fmt: skip
        self._store, self._clock = store, clock
        self._destinations, self._webhooks = destinations, webhooks
        self._publisher = Publisher(store, clock, self._send, on_abandoned, publish)
        self._events: EventStore | None = None
        self._tasks = BackgroundTasks()
        self.check = destinations.check

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        store: Store,
        clock: Clock,
        config: CallbacksConfig,
        keys: Path,
        on_abandoned: OnAbandoned,
        publish: Publish,
    ) -> AsyncIterator[Outbox]:
        """Open, with the secret in `keys` if webhooks are allowed. Raises `InvalidInput`, naming the setting."""
        async with AsyncExitStack() as opened:
            destinations, webhooks = Destinations(config), None
            if destinations.any:
                secret = WebhookSecret.load(keys, os.environ)
                webhooks = await opened.enter_async_context(Webhooks.open(destinations, secret, clock))
            outbox = cls(store, clock, destinations, webhooks, on_abandoned, publish)
            opened.push_async_callback(outbox._close)
            yield outbox

    def start(self, bus: Bus) -> None:
        """Start sending what is due."""
        self._events = EventStore(bus)
        self._tasks.spawn(self._publisher.run())

    def job_ended(self, job: EndedJob, now: float) -> Sequence[Write]:
        """The writes to be committed with a job's end."""
        return self._waking(job_ended(job, now))

    def transaction_ended(self, tx: Tx, now: float) -> Sequence[Write]:
        """The writes to be committed with a transaction's end."""
        return self._waking(transaction_ended(tx, now))

    async def abandoned(self, limit: int = 100) -> list[Delivery]:
        """Abandoned deliveries, newest first: tried for a day, or impossible."""
        return await rows.read_abandoned(self._store, limit)

    async def retry(self, key: str) -> None:
        """Retry an abandoned delivery with a full number of tries. Raises `NotFound`."""
        if not await self._store.write(rows.again(key, self._clock.wall())):
            raise _unknown(key)
        self._publisher.wake()

    async def drop(self, key: str) -> None:
        """Delete an abandoned delivery. Raises `NotFound`."""
        if not await self._store.write(rows.dropped(key)):
            raise _unknown(key)

    async def _close(self) -> None:
        await self._tasks.cancel()
        await self._publisher.close()
        if self._events is not None:
            await self._events.close()

    def _waking(self, writes: Sequence[Write]) -> Sequence[Write]:
        if writes:
            self._publisher.wake()
        return writes

    async def _send(self, delivery: Delivery) -> None:
        if delivery.url is None:
            assert self._events is not None
            event = encode(await event_of(self._store, delivery))
            return await self._events.publish(delivery.name, delivery.subject or delivery.type, event, delivery.id)
        if self._webhooks is None:
            raise NotDelivered("webhooks may go nowhere: name the server in [callbacks] allow")
        return await self._webhooks.post(delivery.url, delivery.id, encode(await webhook_of(self._store, delivery)))


def _unknown(key: str) -> NotFound:
    return NotFound(f"id: no delivery {key!r} was abandoned", field="id")
