"""Join requests: a node without a token waits, harms nobody meanwhile, and gets its tokens once it is approved."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleetfold_master.nodes.fleet_statistics import fleet_statistics
from fleetfold_shared.credential_format import fingerprint
from fleetfold_shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Overloaded, Unauthenticated
from fleetfold_shared.messages import JoinRequest, JoinRequestReply, NodeUpdate
from support.access import Doors, description, open_doors

DAY_S = 86_400


async def _ask(doors: Doors, name: str, claim: str = "claim") -> JoinRequestReply:
    answer = await doors.request_to_join(name, claim)
    assert isinstance(answer, JoinRequestReply)
    return answer


async def test_it_waits_until_it_is_approved_and_then_gets_its_tokens(doors: Doors) -> None:
    first = await _ask(doors, "shop")
    assert (first.tokens, first.fingerprint) == (None, fingerprint("claim"))
    assert (await _ask(doors, "shop")).tokens is None
    record = await doors.join_requests.approve("shop", first.fingerprint)
    assert (record.state, record.healthy) == ("active", False)
    tokens = (await _ask(doors, "shop")).tokens
    assert tokens is not None
    await doors.knock("shop", tokens.access)
    assert [entry.reason for entry in await doors.log(what="join.request")] == ["waits to be approved", "let in"]


async def test_while_it_waits_it_is_seen_but_neither_asked_nor_targeted_nor_healthy(doors: Doors) -> None:
    await _ask(doors, "shop")
    (shown,) = doors.registry.all(pending=True)
    assert (shown.name, shown.state) == ("shop", "pending")
    assert doors.registry.all() == []
    assert not doors.registry.healthy("shop")
    assert doors.registry.find("shop") is None
    stats = fleet_statistics([doors.registry.record(node) for node in doors.registry.all(pending=True)])
    assert (stats.total, stats.healthy, stats.by_state) == (0, 0, {"pending": 1})
    with pytest.raises(NotFound):
        await doors.registry.update(NodeUpdate(node="shop", state="active"))


async def test_another_claim_cannot_take_a_name_that_waits(doors: Doors) -> None:
    outcomes = await asyncio.gather(*(doors.request_to_join("shop", f"{i}") for i in range(4)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["Conflict"] * 3 + ["JoinRequestReply"]


async def test_an_approval_for_another_fingerprint_lets_nobody_in(doors: Doors) -> None:
    await _ask(doors, "shop")
    with pytest.raises(Conflict, match=rf"fingerprint: .*{fingerprint('claim')}"):
        await doors.join_requests.approve("shop", fingerprint("another"))
    assert (await _ask(doors, "shop")).tokens is None
    with pytest.raises(NotFound, match="node: no 'blog' waits"):
        await doors.join_requests.approve("blog")


async def test_a_lost_answer_may_be_fetched_again_within_the_hour(doors: Doors) -> None:
    await _ask(doors, "shop")
    await doors.join_requests.approve("shop")
    assert (await _ask(doors, "shop")).tokens
    doors.clock.advance(3599)
    again = (await _ask(doors, "shop")).tokens
    assert again is not None
    doors.clock.advance(1)
    with pytest.raises(Unauthenticated, match="token: it has been used before"):
        await doors.request_to_join("shop")
    await doors.knock("shop", again.access)


async def test_it_lapses_after_a_day(doors: Doors) -> None:
    await _ask(doors, "shop")
    doors.clock.advance(DAY_S + 1)
    await doors.join_requests.prune()
    assert doors.registry.all(pending=True) == []
    assert (await _ask(doors, "shop", "another claim")).tokens is None


async def test_a_lapsed_one_is_in_nobodys_way_before_it_is_pruned(doors: Doors) -> None:
    await _ask(doors, "shop")
    doors.clock.advance(DAY_S + 1)
    assert (await _ask(doors, "shop", "another claim")).fingerprint == fingerprint("another claim")


async def test_so_many_may_wait_and_no_more(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_master.access.join_requests.MOST_PENDING", 3)
    outcomes = await asyncio.gather(*(doors.request_to_join(f"n{i}") for i in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["JoinRequestReply"] * 3 + ["Overloaded"] * 2
    with pytest.raises(Overloaded):
        await doors.request_to_join("late")


async def test_nobody_can_request_to_join_under_the_name_of_a_member(doors: Doors) -> None:
    await doors.member("shop")
    with pytest.raises(Conflict, match="node: 'shop' is a member already"):
        await doors.request_to_join("shop")
    await doors.key("ci")
    with pytest.raises(Conflict, match="API key"):
        await doors.request_to_join("ci")
    doors.alive.add("blog")
    with pytest.raises(Conflict, match="living node"):
        await doors.request_to_join("blog")


async def test_one_that_lost_its_credentials_may_ask_but_not_when_it_is_inactive(doors: Doors) -> None:
    await _ask(doors, "shop")
    await doors.join_requests.approve("shop")
    assert (await _ask(doors, "shop")).tokens
    await doors.sessions.revoke("shop", "revoked")
    await doors.join_requests.withdraw("shop")
    assert (await _ask(doors, "shop", "new claim")).tokens is None
    await doors.join_requests.withdraw("shop")
    await doors.registry.update(NodeUpdate(node="shop", state="inactive"))
    with pytest.raises(Forbidden, match="inactive"):
        await doors.request_to_join("shop", "newer claim")


async def test_a_stranger_cannot_fill_the_store(doors: Doors) -> None:
    many = {f"label-{i}": "x" * 200 for i in range(100)}
    with pytest.raises(InvalidInput, match=r"description: too long"):
        await doors.send("request", "shop", JoinRequest(claim="c", description=description(**many)))


async def test_all_of_it_survives_the_masters_death(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as before:
        await _ask(before, "shop")
        await _ask(before, "blog")
        await before.join_requests.approve("blog")
    async with open_doors(tmp_path) as after:
        assert [(node.name, node.state) for node in after.registry.all(pending=True)] == [
            ("blog", "active"), ("shop", "pending"),
        ]  # fmt: skip
        assert (await _ask(after, "blog")).tokens
        assert (await after.join_requests.approve("shop")).state == "active"
