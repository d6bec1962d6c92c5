"""Handlers of the verbs about nodes: the registry, and requests to nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from fleetfold_broker.rpc.scatter import ScatterClient
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import node_in_scope
from fleetfold_master.api.audit_target import touches_node, touches_pinged
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.disconnection import Disconnection
from fleetfold_master.jobs.targeting import those_where
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.nodes.fleet_statistics import fleet_statistics
from fleetfold_master.nodes.node_gateway import NodeGateway
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared import verbs
from fleetfold_shared.errors import Conflict
from fleetfold_shared.messages import (
    Capability,
    DiscoveredNode,
    NodeAudited,
    NodeAuditRequest,
    NodeDiscover,
    NodeGet,
    NodeList,
    NodeListed,
    NodePing,
    NodePinged,
    NodeRecord,
    NodeRemove,
    NodeRemoved,
    NodesDiscovered,
    NodeState,
    NodeStats,
    NodeStatsRequest,
    NodeUpdate,
    encode,
)

__all__ = ["NodeVerbs"]

Granted = Callable[[str], list[Capability] | None]
"""Returns what a node's credentials permit; None for a node without credentials."""
OpenOn = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the ids of some open transactions that still need a node, of all masters."""


class NodeVerbs:
    """The handlers, but for those about the nodes' credentials."""

    def __init__(
        self, registry: Registry, presence: Presence, fleet: NodeGateway, gatherer: ScatterClient,
        disconnection: Disconnection, granted: Granted, open_on: OpenOn,
    ) -> None:  # fmt: skip
        self._registry, self._presence, self._fleet, self._gatherer = registry, presence, fleet, gatherer
        self._disconnection, self._granted, self._open_on = disconnection, granted, open_on

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.nodes.LIST, self._list),
            Binding(verbs.nodes.GET, self._get),
            Binding(verbs.nodes.AUDIT, self._audit, touches_node),
            Binding(verbs.nodes.PING, self._ping, touches_pinged),
            Binding(verbs.nodes.DISCOVER, self._discover),
            Binding(verbs.nodes.STATS, self._stats),
            Binding(verbs.nodes.UPDATE, self._update, touches_node),
            Binding(verbs.nodes.REMOVE, self._remove, touches_node),
        )

    async def _list(self, ask: NodeList, who: Principal) -> NodeListed:
        return NodeListed(nodes=those_where(self._records(who, removed=ask.all), ask.where))

    async def _get(self, ask: NodeGet, who: Principal) -> NodeRecord:
        return self._with_grant(self._registry.record(self._node(ask.node, who, pending=True)))

    async def _update(self, change: NodeUpdate, who: Principal) -> NodeRecord:
        self._node(change.node, who)
        record = await self._registry.update(change, who.name)
        if record.state == "inactive":
            await self._disconnection.disconnect(change.node)
        return self._with_grant(record)

    async def _remove(self, ask: NodeRemove, who: Principal) -> NodeRemoved:
        if self._node(ask.node, who, pending=True).state == "pending":
            await self._disconnection.shut_out(ask.node, "removed")
            return NodeRemoved(node=ask.node)
        if still_open := await self._open_on(ask.node):
            raise Conflict(
                f"node: {ask.node!r} is needed by a transaction that has not ended ({still_open[0]}); wait for it",
                field="node",
            )
        await self._disconnection.shut_out(ask.node, "removed")  # first: a node that is only removed would join again
        await self._fleet.remove(ask.node)
        return NodeRemoved(node=ask.node)

    async def _ping(self, ask: NodePing, who: Principal) -> NodePinged:
        named = [self._node(name, who, "nodes").name for name in ask.nodes]
        names = named or who.narrow(node.name for node in self._registry.all())
        answers = await self._gatherer.ask("ping", names, encode(NodeList()), ask.timeout_ms / 1000)
        for name, answer in answers.items():
            if answer.error is None:
                self._presence.answered(name, answer.ms)
        ms = {name: round(a.ms, 3) if (a := answers.get(name)) and a.error is None else None for name in names}
        return NodePinged(ms=ms)

    async def _discover(self, ask: NodeDiscover, who: Principal) -> NodesDiscovered:
        replied = await self._gatherer.probe("ping", encode(NodeList()), ask.timeout_ms / 1000)
        known = {node.name: node.state for node in self._registry.all(removed=True, pending=True)}
        found = [
            DiscoveredNode(name, state, None if (ms := replied.get(name)) is None else round(ms, 3))
            for name in who.narrow(sorted(known.keys() | replied.keys()))
            if (state := _outside_state(known.get(name), replied=name in replied)) is not None
        ]
        return NodesDiscovered(nodes=found)

    async def _audit(self, ask: NodeAuditRequest, who: Principal) -> NodeAudited:
        self._node(ask.node, who)
        return await self._fleet.audit(ask)

    async def _stats(self, _ask: NodeStatsRequest, who: Principal) -> NodeStats:
        return fleet_statistics(self._records(who))

    def _records(self, who: Principal, *, removed: bool = False) -> list[NodeRecord]:
        """The nodes in the caller's scope."""
        nodes = self._registry.all(removed=removed, pending=True)
        return [self._with_grant(self._registry.record(node)) for node in nodes if who.may_node(node.name)]

    def _with_grant(self, record: NodeRecord) -> NodeRecord:
        """The record, with what the node's credentials permit."""
        return replace(record, granted=self._granted(record.name))

    def _node(self, name: str, who: Principal, field: str = "node", *, pending: bool = False) -> StoredNode:
        """The node, if it is in the caller's scope. `NotFound` lists only names in scope."""
        return node_in_scope(self._registry, name, who, field, pending=pending)


def _outside_state(state: NodeState | None, *, replied: bool) -> Literal["unregistered", "removed", "pending"] | None:
    """The state of a name outside of the fleet: None for a member, and for one that was removed and is silent."""
    if state is None:
        return "unregistered"
    if state == "pending":
        return state
    return "removed" if state == "removed" and replied else None
