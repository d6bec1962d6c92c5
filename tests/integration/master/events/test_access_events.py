"""Changes of credentials are announced once, after their commit; the caller's answer waits for the announcement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_master.events import (
    CacheCleared,
    Event,
    JoinRequestsChanged,
    KeysChanged,
    NodeChanged,
    SessionsChanged,
    SessionStolen,
    SigningKeyRotated,
)
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.nodes.node_rows import NodeRows
from fleetfold_master.search import Cache
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import AccessConfig, SearchConfig
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.messages import JoinRequest, KeyCreate, KeyRotate, NodeDescription


class Room:
    """The access services of one master; what they publish and announce is in one list."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.published, clock = list[Event](), ManualClock()
        self.registry = Registry(NodeRows(store), Presence(clock, 5.0), clock, "1.0", announce=self.announce)
        signing = SigningKeys.load(folder, {}, clock)
        self.access = AccessContainer(
            store, self.registry, signing, AccessConfig(pending=True), Subjects(), clock, _nobody_lives,
            publish=self.published.append, announce=self.announce,
        )  # fmt: skip
        self.cache = Cache(store, clock, SearchConfig(), self.announce)

    async def announce(self, event: Event) -> None:
        self.published.append(event)


async def _nobody_lives(_name: str) -> bool:
    return False


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    room = Room(store, tmp_path / "keys")
    yield room
    await room.access.close()
    await store.close()


async def test_a_key_is_announced_when_it_is_made_replaced_and_ended(room: Room) -> None:
    created = await room.access.keys.create(KeyCreate(name="ann", role="viewer"), "cli")
    assert room.published == [KeysChanged()]
    await room.access.keys.rotate(KeyRotate(key=created.info.id), "cli")
    await room.access.keys.revoke("ann")
    assert room.published == [KeysChanged()] * 3


async def test_a_session_is_announced_at_its_begin_and_its_end(room: Room) -> None:
    await room.access.sessions.open("shop", [])
    await room.access.sessions.revoke("shop", "removed")
    await room.access.sessions.revoke("shop", "removed")  # there is none any more
    assert room.published == [SessionsChanged("shop")] * 2


async def test_a_spent_token_is_published_as_stolen_after_the_session_has_ended_everywhere(room: Room) -> None:
    token = Credential.parse((await room.access.sessions.open("shop", [])).refresh)
    await room.access.sessions.refresh(token, "mine")
    assert room.published == [SessionsChanged("shop")]
    with pytest.raises(Refusal):
        await room.access.sessions.refresh(token, "the thief's")
    assert room.published[1:] == [SessionsChanged("shop"), SessionStolen("shop")]


async def test_a_join_request_is_announced_when_it_is_made_approved_and_withdrawn(room: Room) -> None:
    description = NodeDescription(incarnation="i1", version="1.0")
    for name in ("shop", "blog"):
        for _ in range(2):  # it asks again and again
            await room.access.join_requests.ask(name, JoinRequest(claim="c" * 32, description=description))
    assert room.published == [JoinRequestsChanged("shop"), JoinRequestsChanged("blog")]
    await room.access.join_requests.approve("shop")
    assert room.published[2:] == [NodeChanged("shop"), JoinRequestsChanged("shop")]
    await room.access.join_requests.withdraw("blog")
    assert room.published[4:] == [JoinRequestsChanged("blog")]


async def test_a_new_signing_key_is_announced_with_its_id(room: Room) -> None:
    rotated = await room.access.rotate_signing_key(60.0)
    assert room.published == [SigningKeyRotated(rotated.kid)]


async def test_a_cleared_cache_is_announced(room: Room) -> None:
    await room.cache.clear()
    assert room.published == [CacheCleared()]
