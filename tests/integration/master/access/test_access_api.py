"""The verbs about access: whom they let in and shut out, and what becomes of open connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_shared.credentials import Credential
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound, Unavailable
from fleetfold_shared.messages import (
    CAPABILITIES,
    AuditList,
    JoinRequest,
    KeyCreate,
    KeyRevoke,
    KeyRotate,
    NodeDescription,
    NodeGet,
    NodeInvite,
    NodeList,
    NodeRemove,
    NodeRevoke,
    NodeStatsAsk,
    NodeUpdate,
    SigningRotate,
    Tokens,
)
from support.desk import Desk, open_desk
from support.wait import eventually

JOIN_REQUEST = JoinRequest(claim="c" * 43, description=NodeDescription(incarnation="i1", version="1.0"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        desk.people["root"] = Principal("root", "admin")
        yield desk


async def enrolled(desk: Desk, node: str = "blog") -> Tokens:
    return await desk.rooms.sessions.open(node, CAPABILITIES)


async def refused(desk: Desk, tokens: Tokens) -> str:
    """Why the node's refresh token is not good any more."""
    with pytest.raises(Refusal) as refusal:
        await desk.rooms.sessions.refresh(Credential.parse(tokens.refresh), "attempt")
    return refusal.value.reason


async def test_a_node_set_inactive_is_disconnected_and_keeps_its_session(desk: Desk) -> None:
    tokens = await enrolled(desk)
    await desk.ask("root", "nodes.update", NodeUpdate(node="blog", state="inactive"))
    assert desk.dropped == ["blog"]
    await desk.rooms.sessions.refresh(Credential.parse(tokens.refresh), "attempt")


@pytest.mark.parametrize("state", ["maintenance", "active"])
async def test_a_node_in_maintenance_stays_connected(desk: Desk, state: str) -> None:
    await desk.ask("root", "nodes.update", NodeUpdate(node="blog", state=state))  # type: ignore[arg-type]
    assert desk.dropped == []


async def test_a_removed_node_is_disconnected_and_its_credentials_are_gone(desk: Desk) -> None:
    tokens = await enrolled(desk)
    await desk.ask("root", "nodes.remove", NodeRemove(node="blog"))
    assert desk.dropped == ["blog"]
    assert await refused(desk, tokens) == "revoked"


async def test_a_node_that_a_transaction_needs_keeps_everything(desk: Desk) -> None:
    desk.transactions.open["blog"] = ["t1"]
    tokens = await enrolled(desk)
    with pytest.raises(Conflict, match="t1"):
        await desk.ask("root", "nodes.remove", NodeRemove(node="blog"))
    assert desk.dropped == []
    await desk.rooms.sessions.refresh(Credential.parse(tokens.refresh), "attempt")


async def test_revoking_ends_session_invitations_and_connections(desk: Desk) -> None:
    tokens = await enrolled(desk)
    invited = await desk.ask("root", "nodes.invite", NodeInvite(node="blog"))
    revoked = await desk.ask("root", "nodes.revoke", NodeRevoke(node="blog"))
    assert (revoked.connections, desk.dropped) == (1, ["blog"])
    assert await refused(desk, tokens) == "revoked"
    with pytest.raises(Refusal, match="revoked"):
        await desk.rooms.invites.use(Credential.parse(invited.token), "claim")


async def test_the_credentials_are_gone_before_the_connection_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that comes back at once must find the door closed."""
    tokens, reasons = await enrolled(desk), []

    async def drop(name: str) -> int:
        reasons.append(await refused(desk, tokens))
        return 1

    monkeypatch.setattr(desk.disconnection, "_drop", drop)
    await desk.ask("root", "nodes.revoke", NodeRevoke(node="blog"))
    assert reasons == ["revoked"]


async def test_revoking_a_name_that_never_had_anything_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def drop(name: str) -> int:
        return 0

    monkeypatch.setattr(desk.disconnection, "_drop", drop)
    with pytest.raises(NotFound, match="blgo"):
        await desk.ask("root", "nodes.revoke", NodeRevoke(node="blgo"))
    await desk.ask("root", "nodes.invite", NodeInvite(node="later"))
    await desk.ask("root", "nodes.revoke", NodeRevoke(node="later"))


async def test_an_invitation_is_for_a_name_that_is_free(desk: Desk) -> None:
    await desk.ask("root", "keys.create", KeyCreate(name="bot"))
    desk.living.add("blog")
    for node in ("bot", "blog"):
        with pytest.raises(Conflict, match=node):
            await desk.ask("root", "nodes.invite", NodeInvite(node=node))
    with pytest.raises(InvalidInput, match="master"):
        await desk.ask("root", "nodes.invite", NodeInvite(node="master"))
    desk.living.clear()
    assert (await desk.ask("root", "nodes.invite", NodeInvite(node="blog"))).node == "blog"


async def test_a_pending_node_is_seen_and_counted_and_can_be_sent_away(desk: Desk) -> None:
    await desk.rooms.join_requests.ask("crm", JOIN_REQUEST)
    listed = await desk.ask("root", "nodes.list", NodeList())
    assert {node.name: node.state for node in listed.nodes}["crm"] == "pending"
    assert (await desk.ask("root", "nodes.get", NodeGet(node="crm"))).state == "pending"
    stats = await desk.ask("root", "nodes.stats", NodeStatsAsk())
    assert (stats.total, stats.healthy, stats.by_state) == (3, 3, {"active": 3, "pending": 1})
    await desk.ask("root", "nodes.remove", NodeRemove(node="crm"))
    with pytest.raises(NotFound):
        await desk.ask("root", "nodes.get", NodeGet(node="crm"))


async def test_a_pending_node_does_not_become_active_by_an_update(desk: Desk) -> None:
    await desk.rooms.join_requests.ask("crm", JOIN_REQUEST)
    with pytest.raises(NotFound):
        await desk.ask("root", "nodes.update", NodeUpdate(node="crm", state="active"))


async def test_a_revoked_keys_connections_end(desk: Desk) -> None:
    made = await desk.ask("root", "keys.create", KeyCreate(name="bot"))
    revoked = await desk.ask("root", "keys.revoke", KeyRevoke(key="bot"))
    assert (revoked.ids, revoked.connections, desk.dropped) == ([made.info.id], 1, ["bot"])


async def test_a_rotated_keys_connections_end_so_that_new_ones_end_with_the_overlap(desk: Desk) -> None:
    await desk.ask("root", "keys.create", KeyCreate(name="bot"))
    made = await desk.ask("root", "keys.rotate", KeyRotate(key="bot", overlap_s=60))
    assert Credential.parse(made.key).name == "bot"
    await eventually(lambda: desk.dropped == ["bot"])


async def test_a_new_key_is_handed_over_even_if_nobody_can_be_disconnected(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drop(name: str) -> int:
        raise Unavailable("no server answers")

    monkeypatch.setattr(desk.disconnection, "_drop", drop)
    await desk.ask("root", "keys.create", KeyCreate(name="bot"))
    assert Credential.parse((await desk.ask("root", "keys.rotate", KeyRotate(key="bot"))).key).name == "bot"


async def test_who_is_to_be_disconnected_is_so_even_if_the_master_stops(desk: Desk) -> None:
    await desk.ask("root", "keys.create", KeyCreate(name="bot"))
    await desk.ask("root", "keys.rotate", KeyRotate(key="bot"))
    await desk.disconnection.close()
    assert desk.dropped == ["bot"]


async def test_a_removal_that_breaks_off_has_shut_the_node_out_already(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def remove(name: str) -> None:
        raise Unavailable("the broker is gone")

    tokens = await enrolled(desk)
    monkeypatch.setattr(desk.fleet, "remove", remove)
    with pytest.raises(Unavailable):
        await desk.ask("root", "nodes.remove", NodeRemove(node="blog"))
    assert await refused(desk, tokens) == "revoked"


async def test_who_revokes_its_own_key_hears_so_before_it_is_disconnected(desk: Desk) -> None:
    for name in ("root", "other"):
        await desk.ask("root", "keys.create", KeyCreate(name=name, role="admin"))
    await desk.ask("root", "keys.revoke", KeyRevoke(key="root"))
    assert desk.dropped == []
    await eventually(lambda: desk.dropped == ["root"])


async def test_signing_keys_overlap_for_as_long_as_tokens_live(desk: Desk) -> None:
    old = desk.rooms.signing.current()[0]
    rotated = await desk.ask("root", "keys.sign", SigningRotate())
    assert [(key.kid, key.until) for key in rotated.retiring] == [(old, desk.clock.wall() + 3600)]
    assert (await desk.ask("root", "keys.sign", SigningRotate(overlap_s=0))).retiring == []


async def test_an_audit_log_of_any_length_fits_into_an_answer(desk: Desk) -> None:
    nodes = ",".join(f"node-{number:05}" for number in range(10_000))
    for number in range(20):
        desk.audit.note("root", "actions.run", "ok", node=nodes, target=str(number))
    latest = await desk.ask("root", "audit.list", AuditList())
    assert 1 <= len(latest.entries) < 20
    assert latest.entries[-1].target == "19"
    following, after = [], 0
    while entries := (await desk.ask("root", "audit.list", AuditList(after=after))).entries:
        following += [entry.target for entry in entries]
        after = entries[-1].seq
    assert following == [str(number) for number in range(20)]
