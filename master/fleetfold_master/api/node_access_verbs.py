"""Handlers of the verbs about nodes' credentials: joining, invitations, approval and revocation."""

from __future__ import annotations

from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.access.enrolment import Live
from fleetfold_master.api.audit_target import touches_node
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.disconnection import Disconnection
from fleetfold_master.nodes import Registry
from fleetfold_master.nodes.node_gateway import NodeGateway
from fleetfold_shared import verbs
from fleetfold_shared.errors import Conflict, NotFound
from fleetfold_shared.messages import (
    Join,
    Joined,
    NodeApprove,
    NodeInvite,
    NodeInvited,
    NodeRecord,
    NodeRevoke,
    NodeRevoked,
)

__all__ = ["NodeAccessVerbs"]


class NodeAccessVerbs:
    """The handlers. `live` says whether a node answers now."""

    def __init__(
        self, container: AccessContainer, registry: Registry, fleet: NodeGateway, disconnection: Disconnection,
        live: Live,
    ) -> None:  # fmt: skip
        self._container, self._registry, self._fleet = container, registry, fleet
        self._disconnection, self._live = disconnection, live

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.nodes.JOIN, self._join),
            Binding(verbs.nodes.INVITE, self._invite, touches_node),
            Binding(verbs.nodes.APPROVE, self._approve, touches_node),
            Binding(verbs.nodes.REVOKE, self._revoke, touches_node),
        )

    async def _join(self, ask: Join, who: Principal) -> Joined:
        return await self._fleet.join(who.name, ask)

    async def _invite(self, ask: NodeInvite, who: Principal) -> NodeInvited:
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

    async def _approve(self, ask: NodeApprove, who: Principal) -> NodeRecord:
        who.need_node(ask.node)
        return await self._container.join_requests.approve(ask.node, ask.fingerprint)

    async def _revoke(self, ask: NodeRevoke, who: Principal) -> NodeRevoked:
        who.need_node(ask.node)
        ended, connections = await self._disconnection.shut_out(ask.node, "revoked")
        if not ended and not connections and self._registry.find(ask.node) is None:
            raise NotFound(f"node: {ask.node!r} has no credentials and no invitation", field="node")
        return NodeRevoked(node=ask.node, connections=connections)
