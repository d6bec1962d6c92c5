"""What a node says of itself, and what the master says of nodes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Identifier, Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.work import RetryPolicy

__all__ = [
    "ActionInfo", "ActionKind", "CollectionInfo", "Heartbeat", "Join", "Joined", "NodeDescription", "NodeGet",
    "NodeList", "NodeListed", "NodePing", "NodePinged", "NodeRecord", "NodeRemove", "NodeRemoved", "NodeState",
    "NodeStats", "NodeStatsAsk", "NodeUpdate", "Pong", "Superseded",
]  # fmt: skip

ActionKind = Literal["transactional", "idempotent", "once"]
NodeState = Literal["pending", "active", "inactive", "maintenance", "error", "incompatible", "removed"]
InFlight = Annotated[int, Meta(ge=0, le=1_000_000)]
Labels = dict[Annotated[str, Meta(max_length=63)], Annotated[str, Meta(max_length=255)]]


class CollectionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One collection of a node. `epoch` counts the changes of its statistics since the node started.

    `keys` are the fields that identify a thing, each `field` or `field:kind`. `alpha` weighs BM25 against the cosine,
    0.7 when absent. Collections of several nodes that declare the same `replica` hold the same documents: one of them
    is asked.
    """

    name: Slug
    documents: int = 0
    epoch: int = 0
    updated_at: float | None = None
    keys: list[str] = []
    alpha: Annotated[float, Meta(ge=0, le=1)] | None = None
    replica: Slug | None = None


class ActionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One action of a node. `schema` is the JSON Schema (2020-12) of its parameters, an object.

    `destructive`: it asks to be confirmed before it runs on all nodes. At most `slots` of it run at once in the whole
    fleet. `retry` and `heartbeat_s` hold where a call does not say otherwise.
    """

    name: Identifier
    schema: dict[str, Any]
    kind: ActionKind = "idempotent"
    timeout_s: float = 30.0
    summary: str = ""
    destructive: bool = False
    slots: Annotated[int, Meta(ge=1)] | None = None
    retry: RetryPolicy | None = None
    heartbeat_s: float | None = None


class NodeDescription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A node in its own words. `incarnation` is new at each start of its process. `answers`: it answers questions."""

    incarnation: str
    version: str
    type: Annotated[str, Meta(max_length=63)] = "app"
    labels: Labels = {}
    weight: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 16
    analyzer: str = ""
    embedder: str = ""
    collections: list[CollectionInfo] = []
    actions: list[ActionInfo] = []
    answers: bool = False


class Heartbeat(Message, frozen=True, kw_only=True):
    """`fleet.hb.<node>`: the node's full state, every five seconds and at each change."""

    seq: Annotated[int, Meta(ge=0)]
    description: NodeDescription
    in_flight: InFlight = 0
    leaving: bool = False


class Join(Message, frozen=True, kw_only=True):
    """`nodes.join`: a node that has its credentials takes its place in the fleet."""

    description: NodeDescription


class Joined(Message, frozen=True, kw_only=True):
    """The master's yes: how often to be heard, in seconds."""

    node: str
    state: NodeState
    heartbeat_s: float


class Superseded(Message, frozen=True, kw_only=True):
    """`call.<node>.superseded`: the incarnation that holds the name now; a process of another one must stop."""

    incarnation: str


class Pong(Message, frozen=True, kw_only=True):
    """A node's answer to `ping`. `epochs` are those of its collections, by name."""

    incarnation: Annotated[str, Meta(max_length=200)]
    in_flight: InFlight = 0
    epochs: dict[str, int] = {}


class NodeRecord(Message, frozen=True, kw_only=True):
    """A node as the master knows it. Times are Unix seconds; `response_ms` is a moving average of its answers.

    `fingerprint` is that of one who waits to be approved, to be compared with what the node itself says.
    """

    name: str
    state: NodeState
    healthy: bool
    description: NodeDescription
    registered_at: float
    last_seen_at: float | None = None
    response_ms: float | None = None
    in_flight: int = 0
    title: str = ""
    fingerprint: str = ""


class NodeList(Message, frozen=True, kw_only=True):
    """`nodes.list`; without `all`, removed nodes are left out, and with `where` those for which that does not hold."""

    all: bool = False
    where: Annotated[str, Meta(max_length=2000)] | None = None


class NodeListed(Message, frozen=True, kw_only=True):
    nodes: list[NodeRecord]


class NodeGet(Message, frozen=True, kw_only=True):
    """`nodes.get`."""

    node: str


class NodeUpdate(Message, frozen=True, kw_only=True):
    """`nodes.update`: what an operator may set; an absent field stays as it is."""

    node: str
    state: Literal["active", "inactive", "maintenance"] | None = None
    title: Annotated[str, Meta(max_length=200)] | None = None
    labels: Labels | None = None
    weight: Annotated[float, Meta(gt=0, le=1000)] | None = None


class NodeRemove(Message, frozen=True, kw_only=True):
    """`nodes.remove`: a soft delete; the name may return."""

    node: str


class NodeRemoved(Message, frozen=True, kw_only=True):
    node: str


class NodePing(Message, frozen=True, kw_only=True):
    """`nodes.ping`: these nodes, or all of them when the list is empty."""

    nodes: list[str] = []
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1000


class NodePinged(Message, frozen=True, kw_only=True):
    """Milliseconds to each node and back; `None` for one that did not answer."""

    ms: dict[str, float | None]


class NodeStatsAsk(Message, frozen=True, kw_only=True):
    """`nodes.stats`."""


class NodeStats(Message, frozen=True, kw_only=True):
    """`mean_response_ms` is over the nodes that have answered something; `None` when none has."""

    total: int
    healthy: int
    by_state: dict[str, int]
    by_type: dict[str, int]
    documents: int
    mean_response_ms: float | None = None
