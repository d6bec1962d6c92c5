"""The authenticator: who is let in by what, who is not, and what a flood of them costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold_broker.identity.grants import Grant, narrow_inbox
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.messages import CAPABILITIES, NodeState
from fleetfold_shared.messages import NodeUpdate as Update
from support.access import ACCESS_S, HOST, Doors, open_doors, unknown


async def _admit(doors: Doors, name: str, token: str, host: str = HOST) -> Grant:
    grant = await doors.knock(name, token, host)
    assert isinstance(grant, Grant)
    return grant


async def _why_not(doors: Doors, name: str, token: str, host: str = HOST) -> str:
    """The reason it is not let in."""
    with pytest.raises(Refusal) as caught:
        await doors.knock(name, token, host)
    return caught.value.reason


async def test_an_access_token_opens_the_nodes_own_door_as_long_as_it_is_valid(doors: Doors) -> None:
    tokens = await doors.member("shop")
    assert await _admit(doors, "shop", tokens.access) == Grant(
        name="shop", role="child", grade="full", capabilities=frozenset(CAPABILITIES),
        expires_at=doors.clock.wall() + ACCESS_S, inbox="shop",
    )  # fmt: skip
    assert await _why_not(doors, "blog", tokens.access) == "wrong_name"
    doors.clock.advance(ACCESS_S)
    assert await _why_not(doors, "shop", tokens.access) == "expired"


async def test_an_api_key_has_its_role_and_its_end(doors: Doors) -> None:
    key = (await doors.key("ci", role="publisher", expires_s=60)).key
    assert await _admit(doors, "ci", key) == Grant(
        name="ci", role="publisher", expires_at=doors.clock.wall() + 60, inbox="ci"
    )
    assert await _why_not(doors, "cli", key) == "wrong_name"
    await doors.keys.revoke("ci")
    assert await _why_not(doors, "ci", key) == "revoked"


async def test_what_is_not_yet_a_member_gets_a_narrow_door_for_two_minutes(doors: Doors) -> None:
    shown = {
        "enrol": await doors.invite("shop"),
        "refresh": (await doors.member("shop")).refresh,
        "request": unknown("join_request", "shop"),
    }
    for grade, token in shown.items():
        grant = await _admit(doors, "shop", token)
        assert (grant.grade, grant.role, grant.capabilities) == (grade, "child", frozenset())
        assert grant.expires_at == doors.clock.wall() + 120
        assert grant.inbox == narrow_inbox("shop", token) != "shop"


async def test_the_door_does_not_spend_a_token(doors: Doors) -> None:
    token = await doors.invite("shop")
    for _ in range(3):
        await _admit(doors, "shop", token)
    tokens = await doors.enrol("shop", token)
    for _ in range(3):
        await _admit(doors, "shop", tokens.refresh)
    await doors.refresh("shop", tokens.refresh)
    await _admit(doors, "shop", token)  # the answer may have been lost: the claim will tell
    await _admit(doors, "shop", tokens.refresh)


async def test_a_spent_refresh_token_is_refused_and_ends_the_session(doors: Doors) -> None:
    first = await doors.member("shop")
    second = await doors.refresh("shop", first.refresh, "a")
    await doors.refresh("shop", second.refresh, "b")
    assert await _why_not(doors, "shop", first.refresh) == "reused"
    assert await _why_not(doors, "shop", second.access) == "revoked"
    assert [entry.what for entry in await doors.log(outcome="refused")] == ["refresh.reused", "connect", "connect"]


async def test_a_node_without_a_token_may_wait_only_if_that_is_configured(tmp_path: Path) -> None:
    async with open_doors(tmp_path, pending=False) as doors:
        assert await _why_not(doors, "shop", unknown("join_request", "shop")) == "not_allowed"


@pytest.mark.parametrize("state", ["active", "maintenance"])
async def test_a_node_that_may_recover_is_let_in(doors: Doors, state: str) -> None:
    tokens = await _approved(doors, "shop", state)
    await _admit(doors, "shop", tokens[0])
    await _admit(doors, "shop", tokens[1])


async def test_an_inactive_node_is_kept_out_until_it_is_active_again(doors: Doors) -> None:
    tokens = await _approved(doors, "shop", "inactive")
    assert [await _why_not(doors, "shop", token) for token in tokens] == ["inactive"] * 2
    await doors.registry.update(Update(node="shop", state="active"))
    await _admit(doors, "shop", tokens[0])


async def test_a_removed_nodes_credentials_are_gone_and_it_may_be_invited_anew(doors: Doors) -> None:
    tokens = await _approved(doors, "shop", "active")
    await doors.registry.remove("shop")
    await doors.sessions.revoke("shop", "removed")
    assert [await _why_not(doors, "shop", token) for token in tokens] == ["revoked"] * 2
    await _admit(doors, "shop", (await doors.member("shop")).access)


@pytest.mark.parametrize(
    ("name", "token", "reason"),
    [
        ("shop", "", "missing"),
        ("", "ffk_", "malformed"),
        ("Shop", "x", "malformed"),
        ("shop.>", "x", "malformed"),
        ("shop\n", "x", "malformed"),
        ("shop", "x" * 4097, "malformed"),
        ("shop", "é" * 2049, "malformed"),
        ("shop", "\ud800", "malformed"),
        ("shop", "ffj_shop.01k9", "malformed"),
        ("shop", "ffx_shop.0123456789ab." + "A" * 43, "malformed"),
        ("shop", "a.b.c", "malformed"),
        ("shop", unknown("join", "shop"), "unknown"),
        ("shop", unknown("refresh", "shop"), "unknown"),
        ("shop", unknown("key", "shop"), "unknown"),
        ("shop", unknown("join", "blog"), "wrong_name"),
        ("master", unknown("key", "master"), "not_allowed"),
    ],
    ids=lambda value: value[:8],  # no secrets, which are new at each collection
)
async def test_nothing_else_is_let_in(doors: Doors, name: str, token: str, reason: str) -> None:
    assert await _why_not(doors, name, token) == reason
    assert doors.authenticator.refused == {reason: 1}
    assert doors.authenticator.admitted == 0
    (entry,) = await doors.log()
    assert (entry.what, entry.outcome, entry.source) == ("connect", "refused", HOST)
    assert entry.reason.startswith(reason)
    assert entry.who in {name, ""}


async def test_a_refusal_in_the_log_holds_no_secret(doors: Doors) -> None:
    tokens = await doors.member("shop")
    for token in (tokens.access, tokens.refresh, await doors.invite("shop"), tokens.access[:-4] + "AAAA"):
        await _why_not(doors, "blog", token)
        entries = repr(await doors.log(what="connect"))
        assert token not in entries
        assert token.rpartition(".")[2] not in entries


async def test_however_much_is_made_up_at_an_address_what_was_issued_opens_its_door(doors: Doors) -> None:
    member, key = await doors.member("shop"), (await doors.key()).key
    for minute in range(3):
        joining = await doors.invite(f"blog{minute}")
        for kind in ("key", "join", "refresh", "join_request") * 25:
            await _why_not(doors, "ci", unknown(kind, "shop"))
        assert await _why_not(doors, "ci", unknown("refresh", "ci")) == "limited"
        await _admit(doors, "ci", key)
        await _admit(doors, "shop", member.access)
        assert (await _admit(doors, "shop", member.refresh)).grade == "refresh"
        member = await doors.refresh("shop", member.refresh, f"attempt {minute}")
        assert (await _admit(doors, f"blog{minute}", joining)).grade == "enrol"
        await doors.enrol(f"blog{minute}", joining)
        assert (await _admit(doors, "crm", unknown("join_request", "crm"))).grade == "request"
        doors.clock.advance(60)
        doors.rejections.settle()
    entries = await doors.log(what="connect", limit=1000)
    assert len(entries) == 3 * (10 + 1)  # ten in full, and how many more
    assert entries[-1].reason == "91 more refused within a minute"


async def test_another_masters_credentials_are_known_at_an_address_that_guesses(doors: Doors, tmp_path: Path) -> None:
    async with open_doors(tmp_path) as other:
        key, joining = (await other.key()).key, await other.invite("blog")
        tokens = await other.member("shop")
    for _ in range(31):
        await _why_not(doors, "shop", unknown("key", "shop"))
    for name, token in (("ci", key), ("blog", joining), ("shop", tokens.refresh), ("shop", tokens.access)):
        await _admit(doors, name, token)


async def test_a_known_id_with_a_wrong_secret_is_refused(doors: Doors) -> None:
    shown = [await doors.invite("shop"), (await doors.member("blog")).refresh, (await doors.key("ci")).key]
    for token in shown:
        name = Credential.parse(token).name
        assert await _why_not(doors, name, token[:-43] + "A" * 43) == "unknown"


async def test_an_access_token_holds_for_its_own_nodes_session_alone(doors: Doors) -> None:
    await doors.member("shop")
    other = doors.tokens.verify((await doors.member("blog")).access).sid
    crossed, _ = doors.tokens.issue("shop", "child", CAPABILITIES, other)
    assert await _why_not(doors, "shop", crossed) == "revoked"


async def test_who_has_flooded_the_bus_is_not_let_in_for_a_while(doors: Doors) -> None:
    shop, blog = await doors.member("shop"), await doors.member("blog")
    doors.authenticator.shut_out("shop", 60)
    for token in (shop.access, shop.refresh):
        assert await _why_not(doors, "shop", token) == "limited"
    await _admit(doors, "blog", blog.access)
    doors.clock.advance(60)
    await _admit(doors, "shop", shop.access)


async def test_honest_nodes_that_come_back_late_do_not_shut_their_machine_out(doors: Doors) -> None:
    nodes = {f"n{i}": await doors.member(f"n{i}") for i in range(50)}
    doors.clock.advance(ACCESS_S + 60)
    for name, tokens in nodes.items():
        assert await _why_not(doors, name, tokens.access) == "expired"
        assert (await _admit(doors, name, tokens.refresh)).grade == "refresh"


async def test_a_flood_is_a_few_entries_and_a_number(doors: Doors) -> None:
    for _ in range(500):
        await _why_not(doors, "shop", "nonsense")
    assert len(await doors.log()) == 10
    doors.clock.advance(60)
    doors.rejections.settle()
    assert (await doors.log())[-1].reason == "490 more refused within a minute"
    assert doors.authenticator.refused.total() == 500


async def test_many_addresses_at_once_are_bounded_too(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_master.access.rejected_logins.MOST_SOURCES", 5)
    for i in range(100):
        await _why_not(doors, "shop", "nonsense", f"192.0.2.{i}")
    assert len(await doors.log(limit=1000)) == 5 + 10


async def test_it_knows_where_an_identity_came_from(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_master.access.auth_callout.MOST_HOSTS", 2)
    for name in ("a", "b", "a", "c"):
        await _admit(doors, name, await doors.invite(name), f"host-of-{name}")
    assert [doors.authenticator.where(name) for name in "abc"] == ["host-of-a", "", "host-of-c"]
    await _why_not(doors, "a", unknown("key", "a"), "elsewhere")
    assert doors.authenticator.where("a") == "host-of-a"


async def _approved(doors: Doors, name: str, state: NodeState | str) -> list[str]:
    """The access and the refresh token of a node in that state."""
    await doors.request_to_join(name)
    await doors.join_requests.approve(name)
    tokens = await doors.member(name)
    await doors.registry.update(Update(node=name, state=state))  # type: ignore[arg-type]  # one of those it takes
    assert Credential.parse(tokens.refresh).name == name
    return [tokens.access, tokens.refresh]
