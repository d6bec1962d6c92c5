"""Requests to all servers of the broker, by its system account."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_shared.ids import new_id

__all__ = ["FIRST_WITHIN_S", "ask_servers"]

LISTED_WITHIN_S = 0.5
"""Seconds for all servers to answer after the first; one alone takes a millisecond."""
FIRST_WITHIN_S = 2.0
QUIET_S = 0.05


async def ask_servers(bus: Bus, subject: str, data: bytes) -> list[dict[str, Any]]:
    """Return each server's reply; ends `QUIET_S` after the last one, or when the time is over."""
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    reply = f"{bus.connection.options.inbox_prefix}.{new_id()}"

    async def take(message: Incoming) -> None:
        if message.data:
            answers.put_nowait(msgspec.json.decode(message.data))

    end = await bus.connection.subscribe(reply, take)
    try:
        await bus.connection.publish(subject, data, reply)
        return await _until_quiet(answers)
    finally:
        await end()


async def _until_quiet(answers: asyncio.Queue[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    timeout_s = FIRST_WITHIN_S
    try:
        async with asyncio.timeout(FIRST_WITHIN_S + LISTED_WITHIN_S):
            while True:
                found.append(await asyncio.wait_for(answers.get(), timeout_s))
                timeout_s = QUIET_S
    except TimeoutError:
        return found
