"""Sessions: a refresh token is good once, a lost answer locks nobody out, and a stolen token ends the session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.events import SessionStolen
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.messages import CAPABILITIES, Tokens
from support.access import ACCESS_S, REFRESH_S, Doors, open_doors, unknown

House = tuple[asyncio.Runner, Doors]
Use = tuple[int, str, bool]
"""How far back the token is that is used, the attempt, and whether it is only looked at."""


async def _use(doors: Doors, token: str, attempt: str) -> Tokens | str:
    """The new pair, or why there is none."""
    try:
        return await doors.sessions.refresh(Credential.parse(token), attempt)
    except Refusal as refusal:
        return refusal.reason


async def _next(doors: Doors, token: str, attempt: str = "a") -> str:
    pair = await _use(doors, token, attempt)
    assert isinstance(pair, Tokens), pair
    return pair.refresh


def _sid(tokens: Tokens) -> str:
    return Credential.parse(tokens.refresh).id


async def test_each_use_gives_the_next_pair(doors: Doors) -> None:
    first = await doors.sessions.open("shop", ("search",))
    doors.clock.advance(100)
    second = await doors.sessions.refresh(Credential.parse(first.refresh), "a")
    assert second.refresh != first.refresh
    assert (second.access_expires_s, second.refresh_expires_s) == (ACCESS_S, REFRESH_S)
    claims = doors.tokens.verify(second.access)
    assert (claims.sub, claims.role, claims.capabilities) == ("shop", "child", {"search"})
    assert doors.sessions.is_active(claims.sid)
    assert claims.sid == _sid(first)


async def test_a_lost_answer_may_be_asked_for_again(doors: Doors) -> None:
    first = (await doors.sessions.open("shop", CAPABILITIES)).refresh
    second = await _next(doors, first, "a")
    assert await _next(doors, first, "a") == second  # whichever answer arrives, it is the one that is good
    third = await _next(doors, second, "b")
    assert await _next(doors, third, "c")


async def test_a_spent_token_ends_the_session_for_both_and_is_in_the_log(doors: Doors) -> None:
    tokens = await doors.sessions.open("shop", CAPABILITIES)
    second = await _next(doors, tokens.refresh, "mine")
    assert await _use(doors, tokens.refresh, "the thief's") == "reused"
    assert await _use(doors, second, "mine again") == "revoked"
    assert not await doors.sessions.active(_sid(tokens), "shop")
    assert [event.node for event in doors.published if isinstance(event, SessionStolen)] == ["shop"]
    (entry,) = await doors.log(what="refresh.reused")
    assert (entry.node, entry.outcome, entry.target) == ("shop", "refused", _sid(tokens))


async def test_the_attempt_of_a_rotation_is_good_only_until_its_successor_was_used(doors: Doors) -> None:
    first = (await doors.sessions.open("shop", CAPABILITIES)).refresh
    second = await _next(doors, first, "a")
    await _next(doors, second, "b")
    assert await _use(doors, first, "a") == "reused"


async def test_of_many_uses_at_once_by_two_parties_both_lose(doors: Doors) -> None:
    token = (await doors.sessions.open("shop", CAPABILITIES)).refresh
    outcomes = await asyncio.gather(_use(doors, token, "mine"), _use(doors, token, "the thief's"))
    (pair,) = [each for each in outcomes if isinstance(each, Tokens)]
    assert "reused" in outcomes
    assert await _use(doors, pair.refresh, "next") == "revoked"


async def test_the_same_use_many_times_at_once_is_one_use(doors: Doors) -> None:
    token = (await doors.sessions.open("shop", CAPABILITIES)).refresh
    after = set(await asyncio.gather(*(_next(doors, token, "a") for _ in range(8))))
    assert len(after) == 1
    assert await _next(doors, after.pop(), "b")


async def test_who_knows_only_the_id_of_a_session_cannot_end_it(doors: Doors) -> None:
    token = (await doors.sessions.open("shop", CAPABILITIES)).refresh
    made_up = Credential("refresh", "shop", Credential.parse(token).id, "A" * 43).text
    assert await _use(doors, made_up, "a") == "unknown"
    assert await _use(doors, unknown("refresh", "shop"), "a") == "unknown"
    assert await _next(doors, token)


async def test_a_new_session_takes_the_place_of_the_old(doors: Doors) -> None:
    old, new = [await doors.sessions.open("shop", CAPABILITIES) for _ in range(2)]
    assert await _use(doors, old.refresh, "a") == "revoked"
    assert [await doors.sessions.active(_sid(each), "shop") for each in (old, new)] == [False, True]


async def test_a_revoked_session_is_over_at_once(doors: Doors) -> None:
    tokens = await doors.sessions.open("shop", CAPABILITIES)
    assert doors.sessions.has("shop")
    assert await doors.sessions.revoke("shop", "revoked") == 1
    assert not doors.sessions.has("shop")
    assert not await doors.sessions.active(_sid(tokens), "shop")
    assert await _use(doors, tokens.refresh, "a") == "revoked"
    assert await doors.sessions.revoke("shop", "revoked") == 0


async def test_a_session_revoked_while_it_is_renewed_stays_revoked(doors: Doors) -> None:
    for _ in range(10):
        tokens = await doors.sessions.open("shop", CAPABILITIES)
        await asyncio.gather(_use(doors, tokens.refresh, "a"), doors.sessions.revoke("shop", "revoked"))
        assert not await doors.sessions.active(_sid(tokens), "shop")
        assert not doors.sessions.has("shop")


async def test_a_token_that_is_not_used_for_a_month_is_over(doors: Doors) -> None:
    tokens = await doors.sessions.open("shop", CAPABILITIES)
    doors.clock.advance(REFRESH_S)
    assert await _use(doors, tokens.refresh, "a") == "expired"
    assert not doors.sessions.is_active(_sid(tokens))
    doors.clock.advance(31 * 86_400)
    await doors.sessions.prune()
    assert await _use(doors, tokens.refresh, "a") == "unknown"


async def test_one_that_is_used_lives_on_whatever_is_pruned(doors: Doors) -> None:
    token = (await doors.sessions.open("shop", CAPABILITIES)).refresh
    for day in range(60):
        doors.clock.advance(86_400)
        token = await _next(doors, token, f"day {day}")
        await doors.sessions.prune()
    assert doors.sessions.has("shop")


async def test_all_of_it_survives_the_masters_death(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as before:
        tokens = await before.sessions.open("shop", CAPABILITIES)
        second = await _next(before, tokens.refresh, "a")
        async with open_doors(tmp_path) as after:
            assert after.sessions.is_active(_sid(tokens))
            assert await _next(after, tokens.refresh, "a") == second
            assert await _use(after, tokens.refresh, "b") == "reused"


async def test_what_another_master_opened_is_known_and_what_it_ended_is_seen(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as one, open_doors(tmp_path) as other:
        tokens = await one.sessions.open("shop", CAPABILITIES)
        sid = _sid(tokens)
        assert await other.sessions.active(sid, "shop")
        await other.sessions.revoke("shop", "revoked")
        await one.sessions.load()
        assert not await one.sessions.active(sid, "shop")


@given(uses=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.booleans()), max_size=12))
def test_whatever_is_shown_at_most_one_token_is_good(house: House, uses: list[Use]) -> None:
    runner, doors = house
    runner.run(_walk(doors, uses))


async def _walk(doors: Doors, uses: list[Use]) -> None:
    """Tokens are used from the newest (0) back; the model is which is good, and by what it was got."""
    handed = [(await doors.sessions.open("shop", CAPABILITIES)).refresh]
    got_by: tuple[str, str] | None = None
    over = False
    for back, attempt, at_the_door in uses:
        token = handed[max(0, len(handed) - 1 - back)]
        if at_the_door:  # a look at the token spends nothing
            over |= await _looked_at(doors, token) == "reused"
            assert over == (not doors.sessions.has("shop"))
            continue
        answer = await _use(doors, token, attempt)
        if over:
            assert answer == "revoked"
        elif token == handed[-1]:
            assert isinstance(answer, Tokens)
            handed.append(answer.refresh)
            got_by = (token, attempt)
        elif (token, attempt) == got_by:
            assert isinstance(answer, Tokens)
            assert answer.refresh == handed[-1]
        else:
            assert answer == "reused"
            over = True


async def _looked_at(doors: Doors, token: str) -> str:
    try:
        await doors.sessions.check(Credential.parse(token))
    except Refusal as refusal:
        return refusal.reason
    return "fine"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One store for all examples: each has a session of its own."""
    opened = open_doors(tmp_path_factory.mktemp("sessions"))
    with asyncio.Runner() as runner:
        doors = runner.run(opened.__aenter__())
        yield runner, doors
        runner.run(opened.__aexit__(None, None, None))
