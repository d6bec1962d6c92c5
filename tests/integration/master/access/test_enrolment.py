"""Enrolment: a join token is used once, by one node; what is refused costs nothing and tells a stranger nothing."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from fleetfold_broker.rpc.pipeline import Call
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import (
    Conflict,
    FleetfoldError,
    Forbidden,
    InvalidInput,
    RateLimited,
    Unauthenticated,
)
from fleetfold_shared.messages import Enrol, NodeUpdate
from support.access import Doors, open_doors, unknown


async def test_a_join_token_gives_credentials_that_open_the_door(doors: Doors) -> None:
    token = await doors.invite("shop")
    await doors.knock("shop", token)
    tokens = await doors.enrol("shop", token)
    await doors.knock("shop", tokens.access)
    (entry,) = await doors.log()
    assert (entry.what, entry.who, entry.node, entry.outcome, entry.target, entry.source) == (
        "join.enrol", "shop", "shop", "ok", Credential.parse(token).id, "192.0.2.7",
    )  # fmt: skip


async def test_of_two_children_with_one_token_one_gets_credentials(doors: Doors) -> None:
    token = await doors.invite("shop")
    outcomes = await asyncio.gather(*(doors.enrol("shop", token, claim) for claim in "ab"), return_exceptions=True)
    (refused,) = [each for each in outcomes if isinstance(each, Unauthenticated)]
    assert "it has been used before" in refused.message
    assert len([entry for entry in await doors.log(what="join.enrol") if entry.outcome == "ok"]) == 1


async def test_an_answer_that_was_lost_may_be_asked_for_again_also_of_the_next_master(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as before:
        token = await before.invite("shop")
        first = await before.enrol("shop", token)
    async with open_doors(tmp_path) as after:
        await after.knock("shop", token)
        second = await after.enrol("shop", token)
        await after.knock("shop", second.access)
        assert not await after.sessions.active(Credential.parse(first.refresh).id, "shop")


async def test_a_master_that_dies_between_the_use_and_the_answer_spends_nothing(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as before:
        token = await before.invite("shop")
        await before.invites.use(Credential.parse(token), "claim")
    async with open_doors(tmp_path) as after:
        assert await after.enrol("shop", token)


async def test_a_refused_name_does_not_spend_the_token(doors: Doors) -> None:
    token = await doors.invite("shop")
    doors.alive.add("shop")
    with pytest.raises(Conflict, match="name: a living node is called 'shop' already"):
        await doors.enrol("shop", token)
    doors.alive.clear()
    await doors.key("shop")
    with pytest.raises(Conflict, match="name: 'shop' is an API key's"):
        await doors.enrol("shop", token, "another claim")
    await doors.keys.revoke("shop")
    assert await doors.enrol("shop", token, "a third")


async def test_an_inactive_node_is_told_who_keeps_it_out(doors: Doors) -> None:
    await doors.request_to_join("shop")
    await doors.join_requests.approve("shop")
    tokens = await doors.member("shop")
    await doors.registry.update(NodeUpdate(node="shop", state="inactive"))
    token = await doors.invite("shop")
    for attempt in (doors.enrol("shop", token, "b"), doors.refresh("shop", tokens.refresh)):
        with pytest.raises(Forbidden, match="an operator has set 'shop' inactive"):
            await attempt
    await doors.registry.update(NodeUpdate(node="shop", state="active"))
    assert await doors.refresh("shop", tokens.refresh)
    assert await doors.enrol("shop", token, "b")


async def test_one_that_waits_and_gets_a_token_waits_no_longer(doors: Doors) -> None:
    await doors.request_to_join("shop")
    await doors.member("shop")
    assert "shop" not in doors.registry.pending.nodes


async def test_a_stranger_learns_from_every_refusal_the_same(doors: Doors) -> None:
    other, theirs = await doors.invite("blog"), await doors.member("crm")
    revoked = await doors.invite("shop")
    await doors.invites.revoke_for("shop")
    messages = set()
    for token in (unknown("join", "shop"), other, revoked, "nonsense", theirs.refresh, unknown("key", "shop")):
        with pytest.raises(Unauthenticated) as caught:
            await doors.enrol("shop", token)
        messages.add(caught.value.message)
    for token in (unknown("refresh", "shop"), theirs.refresh, other):
        with pytest.raises(Unauthenticated) as caught:
            await doors.refresh("shop", token)
        messages.add(caught.value.message)
    assert len(messages) == 1


async def test_whoever_held_the_token_learns_that_it_is_over(doors: Doors) -> None:
    token = await doors.invite("shop", expires_s=60)
    doors.clock.advance(60)
    with pytest.raises(Unauthenticated, match="token: it has expired"):
        await doors.enrol("shop", token)


async def test_a_stolen_refresh_token_is_in_the_log_with_where_it_was_shown(doors: Doors) -> None:
    tokens = await doors.member("shop")
    await doors.refresh("shop", tokens.refresh, "mine")
    await doors.knock("shop", tokens.refresh, "203.0.113.9")
    with pytest.raises(Unauthenticated):
        await doors.refresh("shop", tokens.refresh, "the thief's")
    (entry,) = await doors.log(what="refresh.reused")
    assert entry.source == "203.0.113.9"
    assert [each.outcome for each in await doors.log(what="join.refresh")] == ["refused"]


async def test_joins_are_limited_by_name_and_say_so(doors: Doors) -> None:
    outcomes: list[FleetfoldError] = []
    for _ in range(70):
        with pytest.raises(FleetfoldError) as caught:
            await doors.enrol("shop", unknown("join", "shop"))
        outcomes.append(caught.value)
    assert [type(each) for each in outcomes] == [Unauthenticated] * 60 + [RateLimited] * 10
    assert outcomes[-1].body().retry_after_s == pytest.approx(1.0)


async def test_the_reply_says_how_much_is_left(doors: Doors) -> None:
    handler = doors.handlers["join.enrol"]
    body = b'{"token":"%s","claim":"c"}' % (await doors.invite("shop")).encode()
    left = []
    for _ in range(61):
        call = Call(verb="join.enrol", identity="shop", body=body)
        try:
            await handler(call)
        except RateLimited:
            assert call.reply_headers["Retry-After"] == "1.000"
        assert call.reply_headers["RateLimit-Limit"] == "60"
        left.append(call.reply_headers["RateLimit-Remaining"])
    assert left[:2] + left[-2:] == ["59", "58", "0", "0"]


async def test_failed_joins_count_against_the_address(doors: Doors) -> None:
    token = await doors.invite("shop")
    await doors.enrol("shop", token, "mine")
    for i in range(30):
        await doors.knock("shop", token)
        with pytest.raises(Unauthenticated):
            await doors.enrol("shop", token, f"guess {i}")
    assert doors.failures.blocked("192.0.2.7")


async def test_a_body_that_is_none_is_refused_without_its_contents_in_the_log(doors: Doors) -> None:
    call = Call(verb="join.enrol", identity="shop", body=b'{"token": 7, "claim": "secret"}')
    with pytest.raises(InvalidInput):
        await doors.handlers["join.enrol"](call)
    (entry,) = await doors.log()
    assert (entry.what, entry.outcome, entry.reason) == ("join.enrol", "refused", "invalid_input: token")


async def test_without_pending_nodes_join_requests_are_not_even_served(tmp_path: Path) -> None:
    async with open_doors(tmp_path, pending=False) as doors:
        assert set(doors.handlers) == {"join.enrol", "join.refresh"}


async def test_a_claim_is_needed(doors: Doors) -> None:
    with pytest.raises(InvalidInput, match="claim"):
        await doors.send("enrol", "shop", Enrol(token=await doors.invite("shop"), claim=""))


async def test_a_stranger_does_not_use_up_what_a_member_of_that_name_may_ask(doors: Doors) -> None:
    tokens = await doors.member("shop")
    for _ in range(70):
        with contextlib.suppress(FleetfoldError):
            await doors.request_to_join("shop", "a stranger's claim")
    assert (await doors.refresh("shop", tokens.refresh)).node == "shop"
