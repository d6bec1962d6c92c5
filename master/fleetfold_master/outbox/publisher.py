"""The outbox publisher: sends what is due, deletes what has arrived, and retries the rest for a day.

Every try is committed before it begins and ended after it, so a delivery arrives at least once whatever crashes;
recipients recognise a repetition by its id. A slow destination delays no other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import structlog
from msgspec.structs import replace

from fleetfold_master.events import Publish, WriteWithEvent, publish_to_nobody
from fleetfold_master.outbox import rows
from fleetfold_master.store.database import Store
from fleetfold_master.webhooks.model import BACKOFF, MOST_TRIES, Delivery, NotDelivered, Undeliverable
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks, ends_within
from fleetfold_shared.errors import FleetfoldError, InvalidInput, NotFound, TooLarge

__all__ = ["OnAbandoned", "Publisher", "no_dead_letter"]

log = structlog.get_logger(__name__)

POLL_S = 1.0
"""Interval in seconds at which deliveries of other masters and due retries are looked up."""
COMMIT_S = 0.02
"""Seconds from the notice that something will be written until it is looked up."""
CLAIM_S = 30.0
"""Time limit in seconds for one try, with a margin; after it, the master that claimed the try is dead."""
MOST_AT_ONCE = 128
MOST_AT_ONE_PLACE = 8
MOST_REASON_CHARS = 500

Send = Callable[[Delivery], Awaitable[None]]
"""Returns when it has arrived. `Undeliverable`, `TooLarge`, `NotFound` and `InvalidInput` are permanent."""
OnAbandoned = Callable[[Delivery, str, float], Sequence[WriteWithEvent]]
"""Returns the dead letters of an abandoned delivery, given the reason and the time; they share its commit."""


def no_dead_letter(_delivery: Delivery, _why: str, _now: float) -> Sequence[WriteWithEvent]:
    """Default of `OnAbandoned`: none."""
    return ()


class Publisher:
    """One master's share of the deliveries. The owner runs `run` in a task; `close` cancels what is in progress."""

    def __init__(
        self, store: Store, clock: Clock, send: Send, on_abandoned: OnAbandoned = no_dead_letter,
        publish: Publish = publish_to_nobody,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._send = store, clock, send
        self._on_abandoned, self._publish = on_abandoned, publish
        self._woken = asyncio.Event()
        self._tasks = BackgroundTasks()
        self._busy = Counter[str]()
        self._more = False

    def wake(self) -> None:
        """Look up soon: something is being written."""
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if await ends_within(POLL_S, self._woken.wait()):
                await asyncio.sleep(COMMIT_S)
            self._woken.clear()
            try:
                await self.round()
            except FleetfoldError as error:
                log.warning("outbox.round_failed", reason=error.message)
            except Exception:  # a store that fails once must not end the loop
                log.exception("outbox.round_crashed")

    async def round(self) -> int:
        """Claim what is due, up to the limit, and start sending it. Returns the number."""
        room = MOST_AT_ONCE - len(self._tasks)
        if room <= 0:
            return 0
        full = [place for place, number in self._busy.items() if place and number >= MOST_AT_ONE_PLACE]
        due = await rows.read_due(self._store, self._clock.wall(), full, room)
        self._more = len(due) == room
        return sum(await asyncio.gather(*(self._begin(delivery) for delivery in due)))

    async def close(self) -> None:
        """Stop; interrupted tries are repeated later."""
        await self._tasks.cancel()

    async def _begin(self, delivery: Delivery) -> bool:
        if delivery.place and self._busy[delivery.place] >= MOST_AT_ONE_PLACE:
            self._more = True
            return False
        self._busy[delivery.place] += 1
        try:
            until = self._clock.wall() + CLAIM_S
            if not await self._store.write(rows.claimed(delivery, until)):
                self._done(delivery)
                return False
        except BaseException:
            self._done(delivery)
            raise
        self._tasks.spawn(self._try(replace(delivery, tries=delivery.tries + 1, due_at=until)))
        return True

    async def _try(self, delivery: Delivery) -> None:
        try:
            async with asyncio.timeout(CLAIM_S / 2):
                await self._send(delivery)
        except (Undeliverable, TooLarge, NotFound, InvalidInput) as error:
            await self._give_up(delivery, str(error))
        except (NotDelivered, FleetfoldError) as error:
            await self._put_off(delivery, str(error), getattr(error, "after_s", 0.0))
        except TimeoutError:
            await self._put_off(delivery, "it took too long", 0.0)
        else:
            await self._store.write(rows.sent(delivery))
        finally:
            self._done(delivery)

    async def _put_off(self, delivery: Delivery, why: str, after_s: float) -> None:
        if delivery.tries >= MOST_TRIES:
            return await self._give_up(delivery, why)
        at = self._clock.wall() + BACKOFF.delay_s(delivery.tries, after_s)
        await self._store.write(rows.put_off(delivery, at, why[:MOST_REASON_CHARS]))
        log.info("outbox.delivery_postponed", id=delivery.id, to=delivery.target, tries=delivery.tries, reason=why)
        return None

    async def _give_up(self, delivery: Delivery, why: str) -> None:
        dead = self._on_abandoned(delivery, why, self._clock.wall())
        await self._store.write(rows.abandoned(delivery, why[:MOST_REASON_CHARS]), *(write for write, _ in dead))
        log.warning("outbox.delivery_abandoned", id=delivery.id, to=delivery.target, of=delivery.record, reason=why)
        for _, event in dead:
            self._publish(event)

    def _done(self, delivery: Delivery) -> None:
        self._busy[delivery.place] -= 1
        if not self._busy[delivery.place]:
            del self._busy[delivery.place]
        if self._more:
            self.wake()
