"""What a master tells of other masters, and how they hear of changed rows: by a subscriber, and before the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_master.cluster import SHARED_CHANGES, CacheInvalidation
from fleetfold_master.cluster.master_rows import TakenOver
from fleetfold_master.cluster.membership import HEARTBEAT_S, MISSED, Membership
from fleetfold_master.cluster.peer_messages import Changed
from fleetfold_master.cluster.takeover import Takeover
from fleetfold_master.events import (
    Event,
    EventHub,
    KeysChanged,
    MasterJoined,
    MasterLost,
    NodeChanged,
    NodeJoined,
    NodeUp,
    subscribe,
)
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Unavailable
from support.wait import eventually


class Life:
    """The membership of one master, and what it has published."""

    def __init__(self, store: Store, clock: ManualClock, instance_id: str) -> None:
        self.store, self.published = store, list[Event]()
        self.membership = Membership(store, clock, instance_id, self.published.append)


class Peers:
    """The other masters; each request to them waits for `go`."""

    def __init__(self, *others: str) -> None:
        self.others = frozenset(others)
        self.asked: list[Changed] = []
        self.go = asyncio.Event()

    async def ask_all(self, _verb: str, message: Changed, *_more: object) -> dict[str, Any]:
        self.asked.append(message)
        await self.go.wait()
        return {}


@pytest.fixture
async def lives(tmp_path: Path) -> AsyncIterator[list[Life]]:
    clock = ManualClock()
    lives = [Life(await Store.open(f"sqlite:///{tmp_path}/master.db"), clock, instance_id) for instance_id in "ab"]
    for life in lives:
        await life.membership.join()
    yield lives
    for life in lives:
        await life.store.close()


async def _heartbeat(life: Life, times: int = 1) -> None:
    clock = life.membership._clock
    assert isinstance(clock, ManualClock)
    for _ in range(times):
        clock.advance(HEARTBEAT_S)
        await life.membership.heartbeat()


async def test_another_master_is_published_when_it_is_seen_and_when_it_is_lost_each_once(lives: list[Life]) -> None:
    one, other = lives
    await _heartbeat(one)
    assert one.published == [MasterJoined(other.membership.id)]
    await _heartbeat(one, MISSED + 3)
    assert one.published[1:] == [MasterLost(other.membership.id)]
    assert [each.id for each in one.membership.dead] == [other.membership.id]


async def test_a_takeover_that_fails_is_resumed_again(lives: list[Life]) -> None:
    one, other = lives
    taken, failures = list[str](), [Unavailable("the database is away")]

    async def resume(work: TakenOver) -> None:
        taken.append(work.dead)
        if failures:
            raise failures.pop()

    clock = ManualClock()
    takeover = Takeover(one.store, clock, one.membership, resume)
    takeover.start()
    await _heartbeat(one, MISSED + 2)
    await eventually(lambda: clock.sleepers == 1)
    clock.advance(HEARTBEAT_S)
    await eventually(lambda: len(taken) == 2)
    await takeover.stop()
    assert taken == [other.membership.id] * 2


def _wired(peers: Peers) -> tuple[EventHub, CacheInvalidation]:
    hub = EventHub()
    invalidation = CacheInvalidation(peers, hub.publish)  # type: ignore[arg-type]
    hub.open([subscribe(invalidation.tell_peers, *SHARED_CHANGES)])
    return hub, invalidation


async def test_a_change_that_is_announced_is_reloaded_by_the_peers_before_the_answer() -> None:
    peers = Peers("m2")
    _, invalidation = _wired(peers)
    announcing = asyncio.create_task(invalidation.announce(KeysChanged()))
    await eventually(lambda: peers.asked == [Changed(cache="keys")])
    assert not announcing.done()
    peers.go.set()
    await announcing


async def test_a_caller_that_gives_up_does_not_keep_a_change_from_the_peers() -> None:
    peers = Peers("m2")
    _, invalidation = _wired(peers)
    announcing = asyncio.create_task(invalidation.announce(NodeChanged("shop")))
    await eventually(lambda: len(peers.asked) == 1)
    announcing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await announcing
    assert len(invalidation._telling) == 1
    peers.go.set()
    await invalidation._telling.join()


async def test_only_changes_of_shared_rows_reach_the_peers_with_the_key_of_the_row() -> None:
    peers = Peers("m2")
    peers.go.set()
    hub, invalidation = _wired(peers)
    for event in (NodeUp("shop"), NodeJoined("shop", "i1", fresh=True), KeysChanged(), MasterLost("m3")):
        hub.publish(event)
    await invalidation._telling.join()
    assert peers.asked == [Changed(cache="nodes", key="shop"), Changed(cache="keys")]


async def test_a_master_without_peers_tells_nobody() -> None:
    peers = Peers()
    _, invalidation = _wired(peers)
    await invalidation.announce(KeysChanged())
    assert peers.asked == []
