"""The verbs about access: whom they let in and shut out, and what becomes of open connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_shared.credential_format import Credential
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
    NodeStatsRequest,
    NodeUpdate,
    SigningRotate,
    Tokens,
)
from support.served_api import ServedApi, open_served_api
from support.wait import eventually

JOIN_REQUEST = JoinRequest(claim="c" * 43, description=NodeDescription(incarnation="i1", version="1.0"))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with open_served_api(tmp_path) as served:
        served.people["root"] = Principal("root", "admin")
        yield served


async def enrolled(served: ServedApi, node: str = "blog") -> Tokens:
    return await served.rooms.sessions.open(node, CAPABILITIES)


async def refused(served: ServedApi, tokens: Tokens) -> str:
    """Why the node's refresh token is not good any more."""
    with pytest.raises(Refusal) as refusal:
        await served.rooms.sessions.refresh(Credential.parse(tokens.refresh), "attempt")
    return refusal.value.reason


async def test_a_node_set_inactive_is_disconnected_and_keeps_its_session(served: ServedApi) -> None:
    tokens = await enrolled(served)
    await served.ask("root", "nodes.update", NodeUpdate(node="blog", state="inactive"))
    assert served.dropped == ["blog"]
    await served.rooms.sessions.refresh(Credential.parse(tokens.refresh), "attempt")


@pytest.mark.parametrize("state", ["maintenance", "active"])
async def test_a_node_in_maintenance_stays_connected(served: ServedApi, state: str) -> None:
    await served.ask("root", "nodes.update", NodeUpdate(node="blog", state=state))  # type: ignore[arg-type]
    assert served.dropped == []


async def test_a_removed_node_is_disconnected_and_its_credentials_are_gone(served: ServedApi) -> None:
    tokens = await enrolled(served)
    await served.ask("root", "nodes.remove", NodeRemove(node="blog"))
    assert served.dropped == ["blog"]
    assert await refused(served, tokens) == "revoked"


async def test_a_node_that_a_transaction_needs_keeps_everything(served: ServedApi) -> None:
    served.transactions.open["blog"] = ["t1"]
    tokens = await enrolled(served)
    with pytest.raises(Conflict, match="t1"):
        await served.ask("root", "nodes.remove", NodeRemove(node="blog"))
    assert served.dropped == []
    await served.rooms.sessions.refresh(Credential.parse(tokens.refresh), "attempt")


async def test_revoking_ends_session_invitations_and_connections(served: ServedApi) -> None:
    tokens = await enrolled(served)
    invited = await served.ask("root", "nodes.invite", NodeInvite(node="blog"))
    revoked = await served.ask("root", "nodes.revoke", NodeRevoke(node="blog"))
    assert (revoked.connections, served.dropped) == (1, ["blog"])
    assert await refused(served, tokens) == "revoked"
    with pytest.raises(Refusal, match="revoked"):
        await served.rooms.invites.use(Credential.parse(invited.token), "claim")


async def test_the_credentials_are_gone_before_the_connection_is(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that comes back at once must find the door closed."""
    tokens, reasons = await enrolled(served), []

    async def drop(name: str) -> int:
        reasons.append(await refused(served, tokens))
        return 1

    monkeypatch.setattr(served.disconnection, "_drop", drop)
    await served.ask("root", "nodes.revoke", NodeRevoke(node="blog"))
    assert reasons == ["revoked"]


async def test_revoking_a_name_that_never_had_anything_says_so(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drop(name: str) -> int:
        return 0

    monkeypatch.setattr(served.disconnection, "_drop", drop)
    with pytest.raises(NotFound, match="blgo"):
        await served.ask("root", "nodes.revoke", NodeRevoke(node="blgo"))
    await served.ask("root", "nodes.invite", NodeInvite(node="later"))
    await served.ask("root", "nodes.revoke", NodeRevoke(node="later"))


async def test_an_invitation_is_for_a_name_that_is_free(served: ServedApi) -> None:
    await served.ask("root", "keys.create", KeyCreate(name="bot"))
    served.living.add("blog")
    for node in ("bot", "blog"):
        with pytest.raises(Conflict, match=node):
            await served.ask("root", "nodes.invite", NodeInvite(node=node))
    with pytest.raises(InvalidInput, match="master"):
        await served.ask("root", "nodes.invite", NodeInvite(node="master"))
    served.living.clear()
    assert (await served.ask("root", "nodes.invite", NodeInvite(node="blog"))).node == "blog"


async def test_a_pending_node_is_seen_and_counted_and_can_be_sent_away(served: ServedApi) -> None:
    await served.rooms.join_requests.ask("crm", JOIN_REQUEST)
    listed = await served.ask("root", "nodes.list", NodeList())
    assert {node.name: node.state for node in listed.nodes}["crm"] == "pending"
    assert (await served.ask("root", "nodes.get", NodeGet(node="crm"))).state == "pending"
    stats = await served.ask("root", "nodes.stats", NodeStatsRequest())
    assert (stats.total, stats.healthy, stats.by_state) == (3, 3, {"active": 3, "pending": 1})
    await served.ask("root", "nodes.remove", NodeRemove(node="crm"))
    with pytest.raises(NotFound):
        await served.ask("root", "nodes.get", NodeGet(node="crm"))


async def test_a_pending_node_does_not_become_active_by_an_update(served: ServedApi) -> None:
    await served.rooms.join_requests.ask("crm", JOIN_REQUEST)
    with pytest.raises(NotFound):
        await served.ask("root", "nodes.update", NodeUpdate(node="crm", state="active"))


async def test_a_revoked_keys_connections_end(served: ServedApi) -> None:
    made = await served.ask("root", "keys.create", KeyCreate(name="bot"))
    revoked = await served.ask("root", "keys.revoke", KeyRevoke(key="bot"))
    assert (revoked.ids, revoked.connections, served.dropped) == ([made.info.id], 1, ["bot"])


async def test_a_rotated_keys_connections_end_so_that_new_ones_end_with_the_overlap(served: ServedApi) -> None:
    await served.ask("root", "keys.create", KeyCreate(name="bot"))
    made = await served.ask("root", "keys.rotate", KeyRotate(key="bot", overlap_s=60))
    assert Credential.parse(made.key).name == "bot"
    await eventually(lambda: served.dropped == ["bot"])


async def test_a_new_key_is_handed_over_even_if_nobody_can_be_disconnected(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drop(name: str) -> int:
        raise Unavailable("no server answers")

    monkeypatch.setattr(served.disconnection, "_drop", drop)
    await served.ask("root", "keys.create", KeyCreate(name="bot"))
    assert Credential.parse((await served.ask("root", "keys.rotate", KeyRotate(key="bot"))).key).name == "bot"


async def test_who_is_to_be_disconnected_is_so_even_if_the_master_stops(served: ServedApi) -> None:
    await served.ask("root", "keys.create", KeyCreate(name="bot"))
    await served.ask("root", "keys.rotate", KeyRotate(key="bot"))
    await served.disconnection.close()
    assert served.dropped == ["bot"]


async def test_a_removal_that_breaks_off_has_shut_the_node_out_already(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def remove(name: str) -> None:
        raise Unavailable("the broker is gone")

    tokens = await enrolled(served)
    monkeypatch.setattr(served.fleet, "remove", remove)
    with pytest.raises(Unavailable):
        await served.ask("root", "nodes.remove", NodeRemove(node="blog"))
    assert await refused(served, tokens) == "revoked"


async def test_who_revokes_its_own_key_hears_so_before_it_is_disconnected(served: ServedApi) -> None:
    for name in ("root", "other"):
        await served.ask("root", "keys.create", KeyCreate(name=name, role="admin"))
    await served.ask("root", "keys.revoke", KeyRevoke(key="root"))
    assert served.dropped == []
    await eventually(lambda: served.dropped == ["root"])


async def test_signing_keys_overlap_for_as_long_as_tokens_live(served: ServedApi) -> None:
    old = served.rooms.signing.current()[0]
    rotated = await served.ask("root", "keys.sign", SigningRotate())
    assert [(key.kid, key.until) for key in rotated.retiring] == [(old, served.clock.wall() + 3600)]
    assert (await served.ask("root", "keys.sign", SigningRotate(overlap_s=0))).retiring == []


async def test_an_audit_log_of_any_length_fits_into_an_answer(served: ServedApi) -> None:
    nodes = ",".join(f"node-{number:05}" for number in range(10_000))
    for number in range(20):
        served.audit.note("root", "actions.run", "ok", node=nodes, target=str(number))
    latest = await served.ask("root", "audit.list", AuditList())
    assert 1 <= len(latest.entries) < 20
    assert latest.entries[-1].target == "19"
    following, after = [], 0
    while entries := (await served.ask("root", "audit.list", AuditList(after=after))).entries:
        following += [entry.target for entry in entries]
        after = entries[-1].seq
    assert following == [str(number) for number in range(20)]
