"""Client calls about identities: invitations, API keys, the caller's identity, and the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from msgspec.structs import replace

from fleetfold.caller import LONG_POLL_S, Caller
from fleetfold_shared.messages import (
    CAPABILITIES,
    AccessStats,
    AccessStatsAsk,
    AuditEntry,
    AuditList,
    AuditListed,
    AuditOutcome,
    Capability,
    ClientRole,
    Identity,
    KeyCreate,
    KeyCreated,
    KeyInfo,
    KeyList,
    KeyListed,
    KeyRevoke,
    KeyRevoked,
    KeyRotate,
    NodeApprove,
    NodeAuditAsk,
    NodeAudited,
    NodeAuditEntry,
    NodeInvite,
    NodeInvited,
    NodeRecord,
    NodeRevoke,
    NodeRevoked,
    Scopes,
    SigningRotate,
    SigningRotated,
    WhoAmI,
)

__all__ = ["AccessCalls"]


class AccessCalls(Caller):
    """The part of a `Client` that decides who may what. Most of it needs the role operator or admin."""

    async def whoami(self) -> Identity:
        """Who this client is to the fleet: name, role and scopes."""
        return await self._ask("access.whoami", WhoAmI(), Identity)

    async def access_stats(self) -> AccessStats:
        """How many were let in, and how many refused and why, since the master's start."""
        return await self._ask("access.stats", AccessStatsAsk(), AccessStats)

    async def node_audit(self, name: str, *, since: float | None = None, limit: int = 50) -> list[NodeAuditEntry]:
        """What the node itself has written down of its latest commands, oldest first: who asked it for what.

        `since` is in Unix seconds. A caller that the masters' `audit` does not know of has been forged.
        """
        return (await self._ask("nodes.audit", NodeAuditAsk(node=name, since=since, limit=limit), NodeAudited)).entries

    async def invite(
        self, name: str, *, expires_s: float = 3600.0, uses: int = 1, only: Sequence[Capability] = CAPABILITIES
    ) -> NodeInvited:
        """A join token for the node `name`, shown this once; the node will be granted `only` these capabilities."""
        ask = NodeInvite(node=name, expires_s=expires_s, uses=uses, capabilities=tuple(only))
        return await self._ask("nodes.invite", ask, NodeInvited)

    async def approve_node(self, name: str, *, fingerprint: str | None = None) -> NodeRecord:
        """Let a pending node in; with a `fingerprint` only the one that shows it."""
        return await self._ask("nodes.approve", NodeApprove(node=name, fingerprint=fingerprint), NodeRecord)

    async def revoke_node(self, name: str) -> NodeRevoked:
        """Take a node's credentials, open invitations and connections away."""
        return await self._ask("nodes.revoke", NodeRevoke(node=name), NodeRevoked)

    async def create_key(
        self, name: str, *, role: ClientRole = "reader", scopes: Scopes | None = None, expires_s: float | None = None
    ) -> KeyCreated:
        """An API key for the identity `name`, shown this once; without `expires_s` it does not expire."""
        ask = KeyCreate(name=name, role=role, scopes=scopes or Scopes(), expires_s=expires_s)
        return await self._ask("keys.create", ask, KeyCreated)

    async def keys(self, *, revoked: bool = False) -> list[KeyInfo]:
        """The API keys without their secrets; with `revoked` also those that are."""
        return (await self._ask("keys.list", KeyList(revoked=revoked), KeyListed)).keys

    async def rotate_key(self, key: str, *, overlap_s: float = 0.0) -> KeyCreated:
        """A new key in place of `key`, its id or its only name; the old one ends after `overlap_s`."""
        return await self._ask("keys.rotate", KeyRotate(key=key, overlap_s=overlap_s), KeyCreated)

    async def revoke_key(self, key: str) -> KeyRevoked:
        """Revoke a key by its id, or all keys of a name, and drop their connections."""
        return await self._ask("keys.revoke", KeyRevoke(key=key), KeyRevoked)

    async def rotate_signing(self, *, overlap_s: float | None = None) -> SigningRotated:
        """Sign access tokens with a new key; the old one is still accepted for `overlap_s`."""
        return await self._ask("keys.sign", SigningRotate(overlap_s=overlap_s), SigningRotated)

    async def audit(
        self,
        *,
        node: str | None = None,
        who: str | None = None,
        what: str | None = None,
        outcome: AuditOutcome | None = None,
        since: float | None = None,
        limit: int = 50,
    ) -> list[AuditEntry]:
        """The latest `limit` (1-1000) entries of the audit log that match, oldest first; `since` in Unix seconds."""
        ask = AuditList(node=node, who=who, what=what, outcome=outcome, since=since, limit=limit)
        return (await self._ask("audit.list", ask, AuditListed)).entries

    async def follow_audit(
        self,
        *,
        node: str | None = None,
        who: str | None = None,
        what: str | None = None,
        outcome: AuditOutcome | None = None,
        since: float | None = None,
        limit: int = 50,
    ) -> AsyncIterator[AuditEntry]:
        """What `audit` gives, then each entry as it is written, for ever: a master that is away is waited for."""
        ask = AuditList(node=node, who=who, what=what, outcome=outcome, since=since, limit=limit)
        found = await self._ask("audit.list", ask, AuditListed)
        seen = 0
        while True:
            for entry in found.entries:
                seen = entry.seq
                yield entry
            following = replace(ask, after=seen, wait_ms=round(LONG_POLL_S * 1000))
            found = await self._patiently("audit.list", following, AuditListed)
