"""Verbs about nodes: the registry, their credentials, and joining."""

from __future__ import annotations

from fleetfold_shared.messages import (
    Join,
    Joined,
    NodeApprove,
    NodeAudited,
    NodeAuditRequest,
    NodeDiscover,
    NodeGet,
    NodeInvite,
    NodeInvited,
    NodeList,
    NodeListed,
    NodePing,
    NodePinged,
    NodeReconcile,
    NodeReconciled,
    NodeRecord,
    NodeRemove,
    NodeRemoved,
    NodeRevoke,
    NodeRevoked,
    NodesDiscovered,
    NodeStats,
    NodeStatsRequest,
    NodeUpdate,
)
from fleetfold_shared.verbs.verb import CLIENTS, NOBODY, OPERATORS, READERS, Verb, allow

__all__ = [
    "APPROVE",
    "AUDIT",
    "DISCOVER",
    "GET",
    "INVITE",
    "JOIN",
    "LIST",
    "PING",
    "RECONCILE",
    "REMOVE",
    "REVOKE",
    "STATS",
    "UPDATE",
]

LIST = Verb(
    "nodes.list", NodeList, NodeListed, "List the nodes.",
    roles=allow(CLIENTS), scope="named", safe=True, idempotent=True,
)  # fmt: skip
GET = Verb(
    "nodes.get", NodeGet, NodeRecord, "Show one node.",
    roles=allow(CLIENTS, own="child"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
AUDIT = Verb(
    "nodes.audit", NodeAuditRequest, NodeAudited, "Read a node's own audit: who asked it for what.",
    roles=allow(OPERATORS), scope="named", audit="buffered", safe=True, idempotent=True,
)  # fmt: skip
PING = Verb(
    "nodes.ping", NodePing, NodePinged, "Ask nodes whether they are there.",
    roles=allow(READERS), scope="named", audit="buffered", safe=True, idempotent=True,
)  # fmt: skip
DISCOVER = Verb(
    "nodes.discover", NodeDiscover, NodesDiscovered, "Find nodes that answer a broadcast and are not in the fleet.",
    roles=allow(OPERATORS), scope="named", safe=True, idempotent=True,
)  # fmt: skip
STATS = Verb(
    "nodes.stats", NodeStatsRequest, NodeStats, "Statistics of the fleet.",
    roles=allow(READERS), scope="named", safe=True, idempotent=True,
)  # fmt: skip
UPDATE = Verb(
    "nodes.update", NodeUpdate, NodeRecord, "Set a node's state, title, labels or weight.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
REMOVE = Verb(
    "nodes.remove", NodeRemove, NodeRemoved, "Take a node out of the fleet.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
INVITE = Verb(
    "nodes.invite", NodeInvite, NodeInvited, "Make a join token for a name.",
    roles=allow(OPERATORS), scope="named", audit="committed",
)  # fmt: skip
APPROVE = Verb(
    "nodes.approve", NodeApprove, NodeRecord, "Let a node in that waits without a token.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
REVOKE = Verb(
    "nodes.revoke", NodeRevoke, NodeRevoked, "Take a node's credentials away.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
RECONCILE = Verb(
    "nodes.reconcile", NodeReconcile, NodeReconciled, "Compare a node's ledger with what masters know; accept it.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
JOIN = Verb(
    "nodes.join", Join, Joined, "Take one's place in the fleet.",
    roles=allow(NOBODY, own="child"), idempotent=True,
)  # fmt: skip
