"""Tokens that are not good are refused by the broker, counted and written down; good ones are good once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import pytest
import pytest_asyncio
from nats.errors import Error as NatsError

from fleetfold_broker.subjects import Subjects
from fleetfold_child.enrolment.enrolment_client import BusEnrolmentClient
from fleetfold_shared.credential_format import Credential, new_secret
from fleetfold_shared.errors import FleetfoldError, Unauthenticated
from fleetfold_shared.messages import Enrol, Refresh, Tokens
from support.inprocess import Fleet, running_fleet
from support.intruder import Intruder, credentials
from support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """A fleet with one node."""
    async with running_fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        await fleet.start_child("shop")
        yield fleet


def _signed(fleet: Fleet, *, key: bytes | str | None = None, algorithm: str = "HS256", **changes: Any) -> str:
    """The shop's own access token with `changes`, signed by the fleet's key unless `key` is given."""
    token = credentials(fleet.place / "shop")["access"]
    assert fleet.master is not None
    _, secret = fleet.master._access.signing.current()
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    headers = {"kid": jwt.get_unverified_header(token)["kid"]}
    return jwt.encode(claims, secret if key is None else key, algorithm=algorithm, headers=headers)


def _own(fleet: Fleet) -> str:
    return str(credentials(fleet.place / "shop")["access"])


BAD: dict[str, tuple[str, Callable[[Fleet], str]]] = {
    "forged": ("forged", lambda fleet: _signed(fleet, key=bytes(32))),
    "altered": ("forged", lambda fleet: _own(fleet)[:-6] + "AAAAAA"),
    "expired": ("expired", lambda fleet: _signed(fleet, exp=int(time.time()) - 1)),
    "not yet valid": ("not_yet_valid", lambda fleet: _signed(fleet, iat=int(time.time()) + 600)),
    "of another fleet": ("wrong_audience", lambda fleet: _signed(fleet, aud="fleetfold:other")),
    "of another issuer": ("wrong_issuer", lambda fleet: _signed(fleet, iss="somebody")),
    "without a signature": ("wrong_algorithm", lambda fleet: _signed(fleet, key="", algorithm="none")),
    "signed with a public key": ("forged", lambda fleet: _signed(fleet, key=fleet.keys.public.issuer.encode())),
    "of a longer hash": ("wrong_algorithm", lambda fleet: _signed(fleet, key=bytes(64), algorithm="HS512")),
    "truncated": ("malformed", lambda fleet: _own(fleet).rpartition(".")[0]),
    "of a session that never was": ("revoked", lambda fleet: _signed(fleet, sid="01m7ym01cyp85cksqyzre82nb5")),
    "an API key made up": ("unknown", lambda _: Credential.mint("key", "shop").text),
    "a join token made up": ("unknown", lambda _: Credential.mint("join", "shop").text),
    "a refresh token made up": ("unknown", lambda _: Credential.mint("refresh", "shop").text),
    "a join request, which nobody allows": ("not_allowed", lambda _: Credential.mint("join_request", "shop").text),
    "nothing": ("missing", lambda _: ""),
    "a word": ("malformed", lambda _: "swordfish"),
}


async def test_the_audit_log_says_who_was_refused_why_and_from_where(shop: Fleet) -> None:
    with pytest.raises(NatsError, match="Authorization"):
        await Intruder.connect(shop.broker.url, "stranger", _own(shop))
    entry = (await shop.client.audit.list(who="stranger"))[-1]
    assert (entry.what, entry.outcome, entry.source) == ("connect", "refused", "127.0.0.1")
    assert entry.reason.startswith("wrong_name")


@pytest.mark.parametrize(("reason", "token"), BAD.values(), ids=BAD.keys())
async def test_a_token_that_is_not_good_is_refused_counted_and_written_down(
    shop: Fleet, reason: str, token: Callable[[Fleet], str]
) -> None:
    before = (await shop.client.access.stats()).refused.get(reason, 0)
    with pytest.raises(NatsError, match="Authorization"):
        await Intruder.connect(shop.broker.url, "shop", token(shop))
    assert (await shop.client.access.stats()).refused[reason] == before + 1


async def test_of_two_that_race_with_one_join_token_one_wins(shop: Fleet) -> None:
    token = (await shop.client.nodes.invite("blog")).token
    won: list[Tokens] = []
    lost: list[FleetfoldError] = []

    async def join() -> None:
        try:
            won.append(await _ask(shop, "blog", token, "enrol", Enrol(token=token, claim=new_secret())))
        except FleetfoldError as error:
            lost.append(error)

    await asyncio.gather(*(join() for _ in range(8)))
    assert len(won) == 1
    assert len(lost) == 7
    assert all(isinstance(error, Unauthenticated) for error in lost)


async def test_a_refresh_token_that_is_used_again_ends_the_session_of_both(shop: Fleet) -> None:
    token = (await shop.client.nodes.invite("crm")).token
    first = await _ask(shop, "crm", token, "enrol", Enrol(token=token, claim=new_secret()))
    second = await _refresh(shop, first.refresh)
    async with await Intruder.connect(shop.broker.url, "crm", second.access) as member:
        with pytest.raises(FleetfoldError):
            await _refresh(shop, first.refresh)
        await eventually(lambda: member.client.is_closed)
    for token in (second.access, second.refresh):
        with pytest.raises(NatsError, match="Authorization"):
            await Intruder.connect(shop.broker.url, "crm", token)
    entries = await shop.client.audit.list(node="crm", what="refresh.reused")
    assert [entry.outcome for entry in entries] == ["refused"]


async def _refresh(fleet: Fleet, token: str) -> Tokens:
    return await _ask(fleet, "crm", token, "refresh", Refresh(token=token, attempt=new_secret()))


async def _ask(fleet: Fleet, name: str, token: str, verb: str, ask: Enrol | Refresh) -> Tokens:
    """What a newcomer does: connect with what it has, ask once, and part."""
    async with BusEnrolmentClient(fleet.broker.url, name, Subjects()).enter(token) as request:
        return await request(verb, ask, Tokens)
