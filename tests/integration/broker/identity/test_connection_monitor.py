"""Who is connected, and how an identity's connections are ended: all of them, at once, and nobody else's."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection import supervised as supervised
from fleetfold_broker.identity import Grant, LoginData
from fleetfold_broker.identity.callout import LoginRefused
from fleetfold_broker.identity.connection_monitor import AGAIN_AFTER_S, ConnectionMonitor
from fleetfold_shared.clock import ManualClock
from support.guarded import Guarded, Shows, anyone
from support.wait import eventually

"""Within this a revoked identity is out."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "REFUSED_MOST_S", 0.1)


class _Door:
    """Admits whoever is not revoked."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()

    async def admit(self, presented: LoginData) -> Grant:
        if presented.name in self.revoked:
            raise LoginRefused("revoked")
        return await anyone(presented)


@pytest.fixture
async def door(guarded: Guarded) -> _Door:
    door = _Door()
    await guarded.callout(door.admit)
    return door


@pytest.fixture
def clock() -> ManualClock:
    """Stands still between the two rounds of a drop, until the test turns it."""
    return ManualClock()


async def dropped_by(connections: ConnectionMonitor, clock: ManualClock, name: str) -> int:
    """Both rounds of a drop."""
    dropping = asyncio.create_task(connections.drop(name))
    await eventually(lambda: clock.sleepers == 1)
    clock.advance(AGAIN_AFTER_S)
    return await dropping


@pytest.fixture
async def connections(guarded: Guarded, clock: ManualClock) -> ConnectionMonitor:
    return ConnectionMonitor(await guarded.system(), clock)


def _ups(buses: list[Bus]) -> list[bool]:
    return [bus.connection.is_up for bus in buses]


async def test_the_connections_of_a_name_are_found_with_the_address_they_come_from(
    guarded: Guarded, door: _Door, connections: ConnectionMonitor
) -> None:
    for name in ("shop", "shop", "shop-2", "blog"):
        await guarded.connect(name)
    found = await connections.of("shop")
    assert [each.host for each in found] == ["127.0.0.1"] * 2
    assert len({each.id for each in found}) == 2
    assert await connections.of("nobody") == []


async def test_a_name_is_dropped_at_once_and_no_other(
    guarded: Guarded, door: _Door, connections: ConnectionMonitor, clock: ManualClock
) -> None:
    dropped = [await guarded.connect("shop") for _ in range(3)]
    others = [await guarded.connect("shop-2"), await guarded.connect("blog"), await guarded.master()]
    gone = [asyncio.Event() for _ in dropped]
    for bus, event in zip(dropped, gone, strict=True):
        bus.connection.on_down(event.set)
    door.revoked.add("shop")
    dropping = asyncio.create_task(connections.drop("shop"))
    await asyncio.gather(*(event.wait() for event in gone))  # by the first round: the second waits for the clock
    await eventually(lambda: clock.sleepers == 1)
    clock.advance(AGAIN_AFTER_S)
    assert await dropping == 3
    assert (_ups(dropped), _ups(others)) == ([False] * 3, [True] * 3)
    assert [bus.connection.reconnects for bus in others] == [0] * 3


async def test_one_that_was_being_let_in_when_it_was_refused_is_dropped_too(
    guarded: Guarded, connections: ConnectionMonitor, clock: ManualClock
) -> None:
    entered, release, revoked = asyncio.Event(), asyncio.Event(), False

    async def admit(presented: LoginData) -> Grant:
        if revoked:
            raise LoginRefused("revoked")
        entered.set()
        await release.wait()
        return await anyone(presented)

    await guarded.callout(admit)
    coming = asyncio.create_task(guarded.connect("shop"))
    await entered.wait()
    revoked = True
    dropping = asyncio.create_task(connections.drop("shop"))
    await eventually(lambda: clock.sleepers == 1)  # past the first round
    release.set()
    shop = await coming
    clock.advance(AGAIN_AFTER_S)
    assert await dropping == 1
    await eventually(lambda: not shop.connection.is_up)


async def test_one_that_was_dropped_comes_back_when_it_is_let_in_again(
    guarded: Guarded, door: _Door, connections: ConnectionMonitor, clock: ManualClock
) -> None:
    shows = Shows("a token")
    shop = await guarded.bus("shop", credential=shows)
    door.revoked.add("shop")
    await dropped_by(connections, clock, "shop")
    await eventually(lambda: shows.refusals > 1)
    door.revoked.clear()
    await eventually(lambda: shop.connection.is_up)
    assert shop.connection.reconnects == 1


async def test_dropping_nobody_drops_nobody(
    guarded: Guarded, door: _Door, connections: ConnectionMonitor, clock: ManualClock
) -> None:
    shop = await guarded.connect("shop")
    assert await dropped_by(connections, clock, "nobody") == 0
    assert shop.connection.is_up


async def test_all_connections_of_a_name_but_the_newest_are_closed(
    guarded: Guarded, door: _Door, connections: ConnectionMonitor
) -> None:
    older, other = [await guarded.connect("shop") for _ in range(2)], await guarded.connect("blog")
    gone = [asyncio.Event() for _ in older]
    for bus, event in zip(older, gone, strict=True):
        bus.connection.on_down(event.set)
    newest = await guarded.connect("shop")
    assert await connections.drop_older("shop") == 2
    await asyncio.gather(*(event.wait() for event in gone))
    assert [bus.connection.reconnects for bus in (newest, other)] == [0, 0]
