"""Events of the masters: durable before they count as told, and then told to who listens."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream import event_publisher
from fleetfold_broker.jetstream.event_publisher import EventStore
from fleetfold_broker.jetstream.topology import EVENTS, Topology
from fleetfold_shared.errors import TooLarge, Unavailable
from support.broker import broker, connect, jetstream, listen, master, queued
from support.wait import eventually

__all__ = ["broker", "connect", "master"]

SUBJECT = "fleet.evt.ann.order.done"


@pytest.fixture
async def store(master: Bus) -> EventStore:
    await Topology(master).ensure_streams()
    return EventStore(master)


async def test_what_is_published_is_stored_and_told(master: Bus, store: EventStore) -> None:
    heard = await listen(master, "fleet.notify.ann.>")
    await store.publish("ann", "order.done", b'{"id":"j1"}', "d1")
    assert await queued(master, EVENTS) == 1
    await eventually(lambda: len(heard) == 1)
    assert (heard[0].subject, heard[0].data, heard[0].headers) == (
        "fleet.notify.ann.order.done", b'{"id":"j1"}', {"Nats-Msg-Id": "d1"},
    )  # fmt: skip


async def test_an_event_whose_confirmation_went_missing_is_looked_up_and_not_stored_again(
    master: Bus, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_publisher, "STORED_WITHIN_S", 0.3)
    monkeypatch.setattr(store, "_stored", _deaf)
    await store.publish("ann", "order.done", b"{}", "d1")
    await store.publish("ann", "order.done", b"{}", "d1")
    assert await queued(master, EVENTS) == 1


async def test_what_nobody_says_is_stored_is_an_error(
    master: Bus, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_publisher, "STORED_WITHIN_S", 0.3)
    await jetstream(master, f"STREAM.DELETE.{EVENTS}")
    with pytest.raises(Unavailable):
        await store.publish("ann", "order.done", b"{}", "d1")


async def test_many_at_once_are_each_confirmed(master: Bus, store: EventStore) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*(store.publish(f"a{n % 7}", "x", b"{}", f"d{n}") for n in range(200)))
    assert await queued(master, EVENTS) == 200


async def test_one_that_is_too_large_is_refused(store: EventStore) -> None:
    with pytest.raises(TooLarge):
        await store.publish("ann", "x", b"a" * 2_000_000, "d1")


async def test_no_more_callers_are_heard_than_there_is_room_for(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_publisher, "MOST_SUBSCRIBED", 2)
    for name in ("a", "b", "c", "a"):
        await store.publish(name, "x", b"{}", f"{name}-{len(store._subscriptions)}")
    assert len(store._subscriptions) == 2
    await store.close()
    assert store._subscriptions == {}


async def _deaf(_: object) -> None:
    pass


async def test_nobody_confirms_what_is_stored_under_anothers_name(
    master: Bus, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may guess the id, and have the broker repeat it: under its own name."""
    monkeypatch.setattr(event_publisher, "STORED_WITHIN_S", 0.5)
    await store.publish("mallory", "x", b"{}", "m1")
    await jetstream(master, f"STREAM.DELETE.{EVENTS}")
    publishing = asyncio.create_task(store.publish("ann", "x", b"{}", "d1"))
    await eventually(lambda: bool(store._open))
    await master.connection.publish("fleet.confirm.mallory.x", b"", headers={"Fleetfold-Confirm": "d1"})
    with pytest.raises(Unavailable):
        await publishing
