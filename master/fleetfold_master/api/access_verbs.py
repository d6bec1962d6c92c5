"""Verbs of access control: join requests, invitations, API keys, the signing key, and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.access.enrolment import Live
from fleetfold_master.api.audit_subject import AuditSubject, touches_node
from fleetfold_master.api.audit_view import check_audit, view_audit
from fleetfold_master.api.denied_requests import DeniedRequests
from fleetfold_master.api.guard import Verb
from fleetfold_master.nodes import Registry
from fleetfold_master.nodes.node_gateway import NodeGateway
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import Conflict, NotFound
from fleetfold_shared.messages import (
    AccessStats,
    AccessStatsAsk,
    AuditList,
    AuditListed,
    Capability,
    Identity,
    Join,
    Joined,
    KeyCreate,
    KeyCreated,
    KeyInfo,
    KeyList,
    KeyListed,
    KeyRevoke,
    KeyRevoked,
    KeyRotate,
    NodeApprove,
    NodeInvite,
    NodeInvited,
    NodeRecord,
    NodeRevoke,
    NodeRevoked,
    SigningRotate,
    SigningRotated,
    WhoAmI,
)

__all__ = ["AccessVerbs", "Drop"]

GRACE_S = 0.2
"""Seconds that a caller who revokes its own credentials has to receive the answer."""
CLOSE_S = 2.0

Drop = Callable[[str], Awaitable[int]]
"""Ends the connections of an identity, and returns their number."""


class AccessVerbs:
    """The handlers. `live` says whether a node answers now. The owner calls `close` at the end."""

    def __init__(
        self, container: AccessContainer, registry: Registry, fleet: NodeGateway, refusals: DeniedRequests,
        drop: Drop, live: Live,
    ) -> None:  # fmt: skip
        self._container, self._registry, self._fleet, self._refusals = container, registry, fleet, refusals
        self._drop, self._live = drop, live
        self._tasks = BackgroundTasks()

    def verbs(self) -> dict[str, Verb[Any]]:
        """All handlers, by verb."""
        return {
            "nodes.join": Verb(Join, self._nodes_join),
            "nodes.invite": Verb(NodeInvite, self._nodes_invite, touches_node),
            "nodes.approve": Verb(NodeApprove, self._nodes_approve, touches_node),
            "nodes.revoke": Verb(NodeRevoke, self._nodes_revoke, touches_node),
            "keys.create": Verb(KeyCreate, self._keys_create, _touches_new_key),
            "keys.list": Verb(KeyList, self._keys_list),
            "keys.rotate": Verb(KeyRotate, self._keys_rotate, _touches_rotated_key),
            "keys.revoke": Verb(KeyRevoke, self._keys_revoke, _touches_revoked_keys),
            "keys.sign": Verb(SigningRotate, self._keys_sign, _touches_signing_key),
            "access.whoami": Verb(WhoAmI, self._whoami),
            "access.stats": Verb(AccessStatsAsk, self._stats),
            "audit.list": Verb(AuditList, self._audit_list),
        }

    def granted(self, node: str) -> list[Capability] | None:
        """What the node's credentials permit; None for a node without credentials."""
        return self._container.sessions.granted(node)

    async def disconnect(self, name: str, *, caller: str = "") -> int:
        """End the connections of `name` and return their number. The caller's own end after its answer, and are not
        counted."""
        if name == caller:
            self._disconnect_later(name)
            return 0
        return await self._drop(name)

    async def shut_out(self, node: str, reason: str) -> tuple[int, int]:
        """Revoke the node's invitations and sessions, then end its connections. Returns the number of each."""
        await self._container.join_requests.withdraw(node)
        ended = await self._container.invites.revoke_for(node) + await self._container.sessions.revoke(node, reason)
        return ended, await self.disconnect(node)

    async def close(self) -> None:
        """Finish the disconnections in progress."""
        await self._tasks.drain(CLOSE_S)

    async def _nodes_join(self, ask: Join, who: Principal) -> Joined:
        return await self._fleet.join(who.name, ask)

    async def _nodes_invite(self, ask: NodeInvite, who: Principal) -> NodeInvited:
        who.need_node(ask.node)
        if self._container.keys.find(ask.node) is not None:
            raise Conflict(f"node: {ask.node!r} is the name of an API key; choose another", field="node")
        if await self._live(ask.node):
            raise Conflict(
                f"node: {ask.node!r} is in the fleet and answers; stop it, or revoke its credentials "
                f"(`fleetfold nodes revoke {ask.node}`)",
                field="node",
            )
        return await self._container.invites.create(ask, who.name)

    async def _nodes_approve(self, ask: NodeApprove, who: Principal) -> NodeRecord:
        who.need_node(ask.node)
        return await self._container.join_requests.approve(ask.node, ask.fingerprint)

    async def _nodes_revoke(self, ask: NodeRevoke, who: Principal) -> NodeRevoked:
        who.need_node(ask.node)
        ended, connections = await self.shut_out(ask.node, "revoked")
        if not ended and not connections and self._registry.find(ask.node) is None:
            raise NotFound(f"node: {ask.node!r} has no credentials and no invitation", field="node")
        return NodeRevoked(node=ask.node, connections=connections)

    async def _keys_create(self, ask: KeyCreate, who: Principal) -> KeyCreated:
        who.need_grant(ask.role, ask.scopes, "scopes")
        return await self._container.keys.create(ask, who.name)

    async def _keys_list(self, ask: KeyList, who: Principal) -> KeyListed:
        keys = await self._container.keys.list(revoked=ask.revoked)
        return KeyListed(keys=[key for key in keys if who.may_grant(key.role, key.scopes)])

    async def _keys_rotate(self, ask: KeyRotate, who: Principal) -> KeyCreated:
        """Rotate the key. Connections end after the answer, because otherwise the caller would lose the new key;
        connections that the old key opens until then end with them."""
        await self._named(ask.key, who)
        made = await self._container.keys.rotate(ask, who.name)
        self._disconnect_later(made.info.name)
        return made

    async def _keys_revoke(self, ask: KeyRevoke, who: Principal) -> KeyRevoked:
        going = await self._named(ask.key, who)
        await self._refuse_last_admin(going, who)
        gone = await self._container.keys.revoke(ask.key)
        connections = await self.disconnect(gone[0].name, caller=who.name)
        return KeyRevoked(ids=[key.id for key in gone], connections=connections)

    async def _keys_sign(self, ask: SigningRotate, who: Principal) -> SigningRotated:
        who.need_whole_fleet("keys.sign")
        overlap_s = self._container.tokens.lifetime_s if ask.overlap_s is None else ask.overlap_s
        return await self._container.rotate_signing_key(overlap_s)

    async def _whoami(self, _ask: WhoAmI, who: Principal) -> Identity:
        return Identity(name=who.name, role=who.role, scopes=who.scopes)

    async def _stats(self, _ask: AccessStatsAsk, _who: Principal) -> AccessStats:
        authenticator, refusals = self._container.authenticator, self._refusals
        return AccessStats(
            admitted=authenticator.admitted,
            refused={str(reason): count for reason, count in authenticator.refused.items()},
            forbidden=refusals.forbidden,
            limited=refusals.limited,
        )

    async def _audit_list(self, ask: AuditList, who: Principal) -> AuditListed:
        check_audit(ask, who)
        if ask.wait_ms:
            begin_waiting()
        listed = await self._container.audit.list(ask)
        return AuditListed(entries=view_audit(listed.entries, ask, who))

    async def _named(self, key: str, who: Principal) -> Sequence[KeyInfo]:
        """The keys of this id or name, if the caller may issue keys of their role and scopes."""
        found = [info for info in await self._container.keys.list() if key in {info.id, info.name}]
        if not found:
            raise NotFound("key: no good key has that id or name; see `fleetfold keys list`", field="key")
        for info in found:
            who.need_grant(info.role, info.scopes, "key")
        return found

    async def _refuse_last_admin(self, going: Sequence[KeyInfo], who: Principal) -> None:
        """Raise `Conflict` if the last usable admin key would go."""
        ids = {info.id for info in going}
        staying = [info for info in await self._container.keys.list() if info.role == "admin" and info.id not in ids]
        if not staying and any(info.name == who.name for info in going):
            raise Conflict(
                "key: this is the last admin key, and yours; make another first (`fleetfold keys create`)",
                field="key",
            )

    def _disconnect_later(self, name: str) -> None:
        async def drop() -> None:
            await asyncio.sleep(GRACE_S)
            await self._drop(name)

        self._tasks.spawn(drop())


def _touches_new_key(ask: KeyCreate, answer: KeyCreated | None) -> AuditSubject:
    return AuditSubject(target=f"{ask.name} {answer.info.id}" if answer else ask.name)


def _touches_rotated_key(ask: KeyRotate, answer: KeyCreated | None) -> AuditSubject:
    return AuditSubject(target=f"{_shown(ask.key)} {answer.info.id}" if answer else _shown(ask.key))


def _touches_revoked_keys(ask: KeyRevoke, answer: KeyRevoked | None) -> AuditSubject:
    return AuditSubject(target=" ".join([_shown(ask.key), *(answer.ids if answer else ())]))


def _touches_signing_key(_ask: SigningRotate, answer: SigningRotated | None) -> AuditSubject:
    return AuditSubject(target=answer.kid if answer else "")


def _shown(key: str) -> str:
    """The name for logs: ids and names have no dot, so text with one may be a whole key given by mistake."""
    return "…" if "." in key else key
