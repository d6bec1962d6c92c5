"""How a child gets in: with its token once, then with what it has kept; a clear word when it does not."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from fleetfold import Child, ChildOptions
from fleetfold_child.enrolment.credential_store import FILE, CredentialStore
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput, Unauthenticated
from fleetfold_shared.messages import CAPABILITIES, Capability, NodeList, Tokens
from support.broker import listen
from support.enrolment_broker import EnrolmentBroker, enrolment_broker
from support.listener import listening
from support.wait import eventually


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fleet of this machine, and no variables of its user."""
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path / "state"))
    for name in ("JOIN", "JOIN_FILE", "API_KEY", "API_KEY_FILE", "TLS_CA"):
        monkeypatch.delenv(f"FLEETFOLD_{name}", raising=False)


@pytest.fixture
async def house(nats_server: str, tmp_path: Path) -> AsyncIterator[EnrolmentBroker]:
    async with enrolment_broker(tmp_path, lifetime_s=60) as house:
        yield house


@pytest.fixture
def every_word() -> Iterator[None]:
    """Logs of all levels, not of warnings alone."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET))
    yield
    structlog.configure(**before)


async def come_and_go(house: EnrolmentBroker, **more: Any) -> None:
    child = Child("shop", url=house.broker.url, data=house.place / "shop", **more)
    await child.start()
    await child.stop()


async def test_a_join_token_is_used_once_and_what_it_brought_is_kept(house: EnrolmentBroker) -> None:
    await come_and_go(house, join=house.registrar.invitation)
    await come_and_go(house, join=house.registrar.invitation)
    await come_and_go(house)
    assert house.registrar.asked == ["enrol"]
    assert len(house.joined) == 3
    assert stat.S_IMODE((house.place / "shop" / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("in_file", [False, True])
async def test_the_token_may_come_from_the_environment(
    house: EnrolmentBroker, monkeypatch: pytest.MonkeyPatch, in_file: bool
) -> None:
    if in_file:
        file = house.place / "token"
        file.write_text(house.registrar.invitation + "\n")
        monkeypatch.setenv("FLEETFOLD_JOIN_FILE", str(file))
    else:
        monkeypatch.setenv("FLEETFOLD_JOIN", house.registrar.invitation)
    await come_and_go(house)
    assert len(house.joined) == 1


async def test_a_child_without_anything_says_what_it_needs(house: EnrolmentBroker) -> None:
    with pytest.raises(Unauthenticated, match=r"`fleetfold nodes invite shop` on the master's machine"):
        await come_and_go(house)
    assert house.joined == []


async def test_a_spent_token_says_what_to_do_and_is_not_repeated(house: EnrolmentBroker) -> None:
    house.registrar.claims.add("another's")
    with pytest.raises(Unauthenticated, match="`fleetfold nodes invite shop`") as refused:
        await come_and_go(house, join=house.registrar.invitation)
    assert house.registrar.invitation not in refused.value.message


async def test_a_token_for_another_node_is_not_shown(house: EnrolmentBroker) -> None:
    with pytest.raises(InvalidInput, match="'blog', not 'shop'"):
        await come_and_go(house, join=Credential.mint("join", "blog").text)
    assert house.admitted == []
    assert house.refused == 0


@pytest.mark.parametrize("granted", [[], ["search"], ["actions"], ["events", "api"], list(CAPABILITIES)])
async def test_a_node_asks_the_broker_for_no_more_than_it_was_granted(
    house: EnrolmentBroker, granted: list[Capability]
) -> None:
    house.registrar.capabilities = granted
    child = Child("shop", url=house.broker.url, data=house.place / "shop", join=house.registrar.invitation)
    heard = await listen(house.fleet, "fleet.hb.shop")
    with capture_logs() as logs:
        await child.start()
        await house.fleet.publish("fleet.call.shop.join-again", NodeList())
        await eventually(lambda: len(house.joined) == 2 and bool(heard))
        await child.stop()
    assert [entry for entry in logs if entry["event"] == "connection.error"] == []


async def test_no_secret_is_ever_logged(house: EnrolmentBroker, every_word: None) -> None:
    registrar = house.registrar
    with capture_logs() as logs:
        await come_and_go(house, join=registrar.invitation)
        first = (registrar.access, registrar.refresh)
        registrar.access = "signed with another key"
        await come_and_go(house)
        second = (registrar.access, registrar.refresh)
        registrar.revoked = True
        with pytest.raises(Unauthenticated) as refused:
            await come_and_go(house)
    told = repr(logs) + refused.value.message
    assert "node.enrolled" in told
    for secret in (registrar.invitation, *registrar.claims, *first, *second, *registrar.spent):
        assert secret not in told


async def test_what_is_aimed_at_a_node_and_is_no_message_of_ours_does_nothing(house: EnrolmentBroker) -> None:
    child = Child("shop", url=house.broker.url, data=house.place / "shop", join=house.registrar.invitation)
    await child.start()
    for verb in ("ping", "superseded", "join-again", "search"):
        for body in (b"", b"{", b"[]", b"\xff", b"+OK"):
            await house.fleet.connection.publish(f"fleet.call.shop.{verb}", body)
    await house.fleet.publish("fleet.call.shop.join-again", NodeList())
    await eventually(lambda: len(house.joined) == 2)
    assert child._node is not None
    assert not child._node.stopped.is_set()
    await child.stop()
    assert len(house.joined) == 2


async def test_a_broker_that_asks_for_no_credentials_is_shown_none(tmp_path: Path) -> None:
    shown: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload":1048576,"headers":true}\r\n')
        while line := await reader.readline():
            if line.startswith(b"CONNECT "):
                shown.append(json.loads(line[8:]))
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")

    secrets = Tokens(
        node="shop", role="child", capabilities=["search"], access="A-SECRET", refresh="R-SECRET",
        access_expires_s=100, refresh_expires_s=1000,
    )  # fmt: skip
    await CredentialStore.open(tmp_path / "shop", "shop").keep(secrets)
    async with listening(serve) as port:
        options = ChildOptions(new=True)  # there are credentials, and no ledger
        child = Child("shop", url=f"nats://127.0.0.1:{port}", data=tmp_path / "shop", options=options)
        starting = asyncio.create_task(child.start())
        await eventually(lambda: bool(shown))
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    assert "SECRET" not in str(shown)
    assert shown[0]["name"] == "shop"
