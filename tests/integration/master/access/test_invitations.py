"""Join tokens: for one name, for a while, for so many uses, whoever races and whatever answer is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetfold_master.access.login_refusal import Refusal
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CAPABILITIES, NodeInvite
from support.access import Doors, open_doors, unknown


async def _use(doors: Doors, token: str, claim: str) -> str:
    try:
        await doors.invites.use(Credential.parse(token), claim)
    except Refusal as refusal:
        return refusal.reason
    return "in"


async def test_of_two_that_race_with_one_token_one_wins(doors: Doors) -> None:
    for round_ in range(10):
        token = await doors.invite(f"shop-{round_}")
        outcomes = await asyncio.gather(*(_use(doors, token, f"claim-{i}") for i in range(4)))
        assert sorted(outcomes) == ["in", "spent", "spent", "spent"]


async def test_two_masters_on_one_store_let_only_one_in(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as one, open_doors(tmp_path) as other:
        token = await one.invite("shop", uses=3)
        outcomes = await asyncio.gather(*(_use(each, token, f"{i}") for i in range(6) for each in (one, other)))
        assert outcomes.count("in") == 6  # three claims, each let in by both masters
        assert outcomes.count("spent") == 6


async def test_the_same_claim_gets_the_same_use_again(doors: Doors) -> None:
    token = await doors.invite("shop", uses=2)
    assert await asyncio.gather(*(_use(doors, token, "a") for _ in range(5))) == ["in"] * 5
    assert [await _use(doors, token, claim) for claim in ("b", "c", "a")] == ["in", "spent", "in"]


async def test_it_grants_what_the_invitation_says(doors: Doors) -> None:
    invited = await doors.invites.create(NodeInvite(node="shop", capabilities=("search",)), "ops")
    assert await doors.invites.use(Credential.parse(invited.token), "c") == ("search",)
    assert await doors.invites.use(Credential.parse(await doors.invite("blog")), "c") == CAPABILITIES


async def test_nothing_is_granted_after_its_end(doors: Doors) -> None:
    token, other = await doors.invite("shop", uses=9, expires_s=60), await doors.invite("shop", expires_s=600)
    assert await _use(doors, token, "early") == "in"
    doors.clock.advance(60)
    assert [await _use(doors, token, claim) for claim in ("early", "late")] == ["expired"] * 2
    await doors.invites.revoke_for("shop")
    assert await _use(doors, other, "late") == "revoked"
    doors.clock.advance(8 * 86_400)
    await doors.invites.prune()
    assert await _use(doors, token, "early") == "unknown"


async def test_a_token_with_another_secret_or_name_is_unknown(doors: Doors) -> None:
    token = Credential.parse(await doors.invite("shop"))
    assert await _use(doors, Credential("join", "shop", token.id, "A" * 43).text, "c") == "unknown"
    assert await _use(doors, Credential("join", "blog", token.id, token.secret).text, "c") == "unknown"
    assert await _use(doors, unknown("join", "shop"), "c") == "unknown"
    assert await _use(doors, token.text, "c") == "in"


async def test_the_masters_own_name_cannot_be_invited(doors: Doors) -> None:
    with pytest.raises(InvalidInput, match=r"node: 'master'"):
        await doors.invite("master")


async def test_no_secret_is_in_the_database(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as doors:
        join = await doors.invite("shop")
        tokens = await doors.enrol("shop", join, "a-claim-to-keep")
        renewed = await doors.refresh("shop", tokens.refresh, "an-attempt-to-keep")
        key = (await doors.key()).key
        await doors.request_to_join("blog", "another-claim-to-keep")
        await doors.audit.flush()
    with closing(sqlite3.connect(tmp_path / "master.db")) as database:
        dump = "\n".join(database.iterdump())
    texts = [Credential.parse(text).secret for text in (join, tokens.refresh, renewed.refresh, key)]
    for secret in (*texts, tokens.access, "a-claim-to-keep", "an-attempt-to-keep", "another-claim-to-keep"):
        assert secret not in dump
