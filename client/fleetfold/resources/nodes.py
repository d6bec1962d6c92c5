"""Nodes: `fleet.nodes`."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from fleetfold.caller import Caller, limit_s
from fleetfold.time_limit import milliseconds
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    CAPABILITIES,
    Capability,
    DiscoveredNode,
    NodeApprove,
    NodeAuditEntry,
    NodeAuditRequest,
    NodeDiscover,
    NodeGet,
    NodeInvite,
    NodeInvited,
    NodeList,
    NodePing,
    NodeReconcile,
    NodeReconciled,
    NodeRecord,
    NodeRemove,
    NodeRevoke,
    NodeRevoked,
    NodeStats,
    NodeStatsRequest,
    NodeUpdate,
)

__all__ = ["Nodes"]

RECONCILE_S = 60.0


class Nodes:
    """The nodes of the fleet: their records, their states and their credentials."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self, *, removed: bool = False, where: str | None = None) -> builtins.list[NodeRecord]:
        """List the nodes by name: those for which the expression `where` holds; with `removed` also removed ones."""
        return (await self._caller.ask(verbs.nodes.LIST, NodeList(all=removed, where=where))).nodes

    async def get(self, name: str) -> NodeRecord:
        """Get one node. Raises `NotFound`."""
        return await self._caller.ask(verbs.nodes.GET, NodeGet(node=name))

    async def update(self, change: NodeUpdate) -> NodeRecord:
        """Set a node's state, title, labels or weight. Raises `Conflict` if an incompatible node is to be active."""
        return await self._caller.ask(verbs.nodes.UPDATE, change)

    async def remove(self, name: str) -> None:
        """Remove a node from the fleet, with its credentials and its queue. Its name may be invited again."""
        await self._caller.ask(verbs.nodes.REMOVE, NodeRemove(node=name))

    async def reconcile(self, name: str, *, accept: bool = False) -> NodeReconciled:
        """Compare what the masters know of a node's commands with its ledger, after that was lost or an old copy was
        put back. `accept` makes it the known ledger, so that the node runs commands again. Raises `Unavailable` if the
        node does not answer."""
        return await self._caller.ask(verbs.nodes.RECONCILE, NodeReconcile(node=name, accept=accept), RECONCILE_S)

    async def ping(self, *names: str, timeout_s: float = 1.0) -> dict[str, float | None]:
        """Ping the named nodes, or all: round-trip milliseconds by name, None for a node silent for `timeout_s`."""
        ask = NodePing(nodes=[*names], timeout_ms=milliseconds(timeout_s))
        return (await self._caller.ask(verbs.nodes.PING, ask, limit_s(timeout_s))).ms

    async def discover(self, *, timeout_s: float = 1.0) -> builtins.list[DiscoveredNode]:
        """List the names outside of the fleet: unregistered and removed nodes that answer a broadcast within
        `timeout_s`, and nodes that wait for approval.
        """
        ask = NodeDiscover(timeout_ms=milliseconds(timeout_s))
        return (await self._caller.ask(verbs.nodes.DISCOVER, ask, limit_s(timeout_s))).nodes

    async def stats(self) -> NodeStats:
        """Get statistics of the fleet: nodes by state, documents, jobs and transactions."""
        return await self._caller.ask(verbs.nodes.STATS, NodeStatsRequest())

    async def audit(self, name: str, *, since: float | None = None, limit: int = 50) -> builtins.list[NodeAuditEntry]:
        """List the latest commands in the node's own ledger, with their callers, oldest first; `since` in Unix seconds.

        An entry that the masters' audit log does not have was not sent by them.
        """
        ask = NodeAuditRequest(node=name, since=since, limit=limit)
        return (await self._caller.ask(verbs.nodes.AUDIT, ask)).entries

    async def invite(
        self, name: str, *, expires_s: float = 3600.0, uses: int = 1, only: Sequence[Capability] = CAPABILITIES
    ) -> NodeInvited:
        """Create a join token for the node `name`, returned only once; the node is granted the capabilities `only`."""
        ask = NodeInvite(node=name, expires_s=expires_s, uses=uses, capabilities=tuple(only))
        return await self._caller.ask(verbs.nodes.INVITE, ask)

    async def approve(self, name: str, *, fingerprint: str | None = None) -> NodeRecord:
        """Admit a pending node; with a `fingerprint`, only the node whose key has it."""
        return await self._caller.ask(verbs.nodes.APPROVE, NodeApprove(node=name, fingerprint=fingerprint))

    async def revoke(self, name: str) -> NodeRevoked:
        """Revoke a node's credentials and open invitations, and drop its connections."""
        return await self._caller.ask(verbs.nodes.REVOKE, NodeRevoke(node=name))
