"""Broadcast probe: one request to everybody who hears broadcasts, whether or not the sender knows them."""

from __future__ import annotations

import asyncio
import time

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity.message_seals import Seals
from fleetfold_broker.rpc.headers import CORRELATION, GATHER, deadline
from fleetfold_shared.ids import new_id

__all__ = ["probe"]

MOST_FOUND = 10_000
"""Most names that one probe collects."""


async def probe(bus: Bus, seals: Seals, verb: str, data: bytes, timeout_s: float) -> dict[str, float]:
    """Broadcast a request, and return who replied within `timeout_s`: the milliseconds of the first reply by name.

    It waits for the whole time, because nobody knows how many will reply. The broker verifies the names, unless it runs
    without authentication. What a reply says is not read: an error is a sign of life, too.
    """
    requester, found = new_id(), dict[str, float]()
    began = time.perf_counter()

    async def receive(message: Incoming) -> None:
        if len(found) < MOST_FOUND:
            found.setdefault(bus.subjects.token(message.subject, 2), (time.perf_counter() - began) * 1000)

    end = await bus.connection.subscribe(bus.subjects.gather(requester), receive)
    try:
        subject, headers = bus.subjects.ask(verb), {GATHER: requester, CORRELATION: "1", **deadline(timeout_s)}
        await bus.connection.publish(subject, data, headers=seals.sealed_for_all(subject, data, headers))
        await asyncio.sleep(timeout_s)
    finally:
        await end()
    return found
