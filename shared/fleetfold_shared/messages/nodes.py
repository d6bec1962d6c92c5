"""What a node says of itself, and what the master says of nodes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Identifier, Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.execution import RetryPolicy

__all__ = [
    "CAPABILITIES", "ActionInfo", "ActionKind", "AssignedState", "Capability", "CollectionInfo", "EndpointFigures",
    "Heartbeat", "Join", "Joined", "LabelSource", "NodeDescription", "NodeGet", "NodeList", "NodeListed",
    "NodePart", "NodePing", "NodePinged", "NodePresence", "NodeRecord", "NodeRemove", "NodeRemoved", "NodeState",
    "NodeStats", "NodeStatsAsk", "NodeUpdate", "Pong", "Problem", "SealKeys", "ServiceFigures", "Standing",
    "Superseded",
]  # fmt: skip

Capability = Literal["search", "actions", "events", "api"]
CAPABILITIES: tuple[Capability, ...] = ("search", "actions", "events", "api")
"""What a node may be granted: to answer searches, to run actions, to emit events, to call the fleet."""
ActionKind = Literal["transactional", "idempotent", "once"]
NodeState = Literal["pending", "active", "inactive", "maintenance", "error", "incompatible", "removed"]
AssignedState = Literal["active", "inactive", "maintenance"]
NodePresence = Literal["up", "stopped", "not_heard"]
NodePart = Literal["index", "ledger"]
LabelSource = Literal["node", "operator"]
InFlight = Annotated[int, Meta(ge=0, le=1_000_000)]
Labels = dict[Annotated[str, Meta(max_length=63)], Annotated[str, Meta(max_length=255)]]


class CollectionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One collection of a node. `epoch` counts the changes of its statistics since the node started.

    `keys` are the fields that identify a thing, each `field` or `field:kind`. `alpha` weighs BM25 against the cosine,
    0.7 when absent. Collections of several nodes that declare the same `replica` hold the same documents: one of them
    is asked.

    Of its source, when it was read last: `left_out` records could not be taken, `repeated` ones had the id of another,
    `without_text` ones are found by filters alone; `note` is the first thing that is to be known of it.
    """

    name: Slug
    documents: int = 0
    epoch: int = 0
    updated_at: float | None = None
    keys: list[str] = []
    alpha: Annotated[float, Meta(ge=0, le=1)] | None = None
    replica: Slug | None = None
    left_out: Annotated[int, Meta(ge=0)] = 0
    repeated: Annotated[int, Meta(ge=0)] = 0
    without_text: Annotated[int, Meta(ge=0)] = 0
    note: Annotated[str, Meta(max_length=300)] = ""


class ActionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One action of a node. `schema` is the JSON Schema (2020-12) of its parameters, an object; `result` that of what
    it returns, absent where its signature does not tell.

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
    result: dict[str, Any] | None = None


class NodeDescription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A node in its own words. `incarnation` is new at each start of its process. `answers`: it answers questions.

    `withheld` counts the collections (as `search`) and actions that it has but was not granted to offer.
    """

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
    withheld: dict[Capability, int] = {}


class Problem(msgspec.Struct, frozen=True):
    """A part of a node that does not work, and why. While it lasts the node is in the state `error`."""

    part: NodePart
    reason: Annotated[str, Meta(max_length=300)]


class Heartbeat(Message, frozen=True, kw_only=True):
    """`fleet.hb.<node>`: the node's full state, every five seconds and at each change.

    `leaving` is the last one of a process that stops in good order. `problems` are what its own checks have found.
    `heartbeat_s` is the interval it uses, and `state` the state that a master last told it.
    """

    seq: Annotated[int, Meta(ge=0)]
    description: NodeDescription
    in_flight: InFlight = 0
    leaving: bool = False
    problems: Annotated[list[Problem], Meta(max_length=16)] = []
    heartbeat_s: Annotated[float, Meta(gt=0, le=300)] | None = None
    state: NodeState | None = None


class Join(Message, frozen=True, kw_only=True):
    """`nodes.join`: a node that has its credentials takes its place in the fleet."""

    description: NodeDescription


class SealKeys(msgspec.Struct, frozen=True):
    """What a node checks the masters' seals with. `own` is the HMAC-SHA-256 key that it shares with the masters, 32
    bytes, a secret; `broadcast` the ed25519 public key of what they say to all nodes, 32 bytes.
    """

    own: bytes
    broadcast: bytes

    def __repr__(self) -> str:
        return "SealKeys(…)"


class Joined(Message, frozen=True, kw_only=True):
    """The master's yes: how often to be heard, in seconds; the node's state, and why it is not `active`. `seal` is
    absent where the fleet has no identities.
    """

    node: str
    state: NodeState
    heartbeat_s: float
    reason: str = ""
    seal: SealKeys | None = None


class EndpointFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one of a node's endpoints has done since the start. `name` is a verb, or `ask-<verb>` for broadcasts."""

    name: Slug
    requests: int = 0
    errors: int = 0
    nanoseconds: int = 0
    last_error: str = ""


class ServiceFigures(Message, frozen=True, kw_only=True):
    """A node's answer to `figures`, of which the master makes its entry in service discovery (`$SRV`). The name there
    is not the node's to say. `started` is an ISO 8601 time.
    """

    incarnation: str
    version: Annotated[str, Meta(max_length=63)]
    started: Annotated[str, Meta(max_length=63)]
    endpoints: Annotated[list[EndpointFigures], Meta(max_length=64)] = []


class Standing(Message, frozen=True, kw_only=True):
    """`call.<node>.standing`: what has changed since the node joined: how often to be heard, in seconds, or its state
    and the reason for it.
    """

    heartbeat_s: Annotated[float, Meta(gt=0, le=300)]
    state: NodeState
    reason: str = ""


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

    `reason` is why the node is in its `state`, and `since` when it has been. `presence`: it is heard (`up`), it said
    goodbye (`stopped`), or neither (`not_heard`). `failing` are the parts that do not work in the state `error`.
    `heartbeat_s` is the interval it was told. `granted` is what its credentials allow; absent where the fleet asks for
    none. `label_sources` says of each label who has set it.
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
    reason: str = ""
    since: float | None = None
    presence: NodePresence = "not_heard"
    failing: list[NodePart] = []
    heartbeat_s: float | None = None
    granted: list[Capability] | None = None
    label_sources: dict[str, LabelSource] = {}


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
    """`nodes.update`: what an operator may set; an absent field stays as it is.

    `labels` are added to those the node has, or replace those of the same name; `unlabel` removes some.
    `labels_from_node` takes back all that operators have set: the node has the labels that it declares.
    """

    node: str
    state: AssignedState | None = None
    title: Annotated[str, Meta(max_length=200)] | None = None
    labels: Labels | None = None
    weight: Annotated[float, Meta(gt=0, le=1000)] | None = None
    unlabel: Annotated[list[Annotated[str, Meta(max_length=63)]], Meta(max_length=100)] = []
    labels_from_node: bool = False


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
