"""Messages about nodes: a node's description and heartbeats, and the registry's records."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Identifier, Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.command_control import RetryPolicy
from fleetfold_shared.messages.ledgers import LedgerMark, MasterMark

__all__ = [
    "CAPABILITIES", "ActionInfo", "ActionKind", "AssignedState", "Capability", "CollectionInfo", "DiscoveredNode",
    "EndpointCounters", "Heartbeat", "Join", "Joined", "LabelSource", "NodeDescription", "NodeDiscover", "NodeGet",
    "NodeList", "NodeListed", "NodePart", "NodePing", "NodePinged", "NodePresence", "NodeRecord", "NodeRemove",
    "NodeRemoved", "NodeState", "NodeStats", "NodeStatsRequest", "NodeUpdate", "NodesDiscovered", "Pong",
    "Problem", "SealKeys", "ServiceCounters", "Standing", "Superseded",
]  # fmt: skip

Capability = Literal["search", "actions", "events", "api"]
CAPABILITIES: tuple[Capability, ...] = ("search", "actions", "events", "api")
"""What a node may be granted: to answer searches, to run actions, to emit events, to call the API."""
ActionKind = Literal["transactional", "idempotent", "once"]
NodeState = Literal["pending", "active", "inactive", "maintenance", "error", "incompatible", "removed"]
AssignedState = Literal["active", "inactive", "maintenance"]
NodePresence = Literal["up", "stopped", "not_heard"]
NodePart = Literal["index", "ledger"]
LabelSource = Literal["node", "operator"]
InFlight = Annotated[int, Meta(ge=0, le=1_000_000)]
Labels = dict[Annotated[str, Meta(max_length=63)], Annotated[str, Meta(max_length=255)]]


class CollectionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One collection of a node. `epoch` counts the changes of its statistics since the node's start.

    `keys` are the fields that identify a thing, each `field` or `field:kind`. `alpha` weighs BM25 against the cosine,
    0.7 when absent. Collections of several nodes with the same `replica` contain the same documents: one of them is
    searched.

    Counts of its source's last reading: `left_out` records were refused, `repeated` ones had the id of another,
    `without_text` ones are found by filters only; `note` is the first remark on it.

    `damaged` says why it cannot be searched, and what to do; its other collections can. `documents` are those that it
    held before.
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
    damaged: Annotated[str, Meta(max_length=300)] = ""


class ActionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One action of a node. `schema` is the JSON Schema (2020-12) of its parameters, an object; `result` that of its
    return value, absent where the signature does not declare it.

    `destructive`: to run on all nodes it must be confirmed. At most `slots` of it run at once in the whole fleet.
    `retry` and `heartbeat_s` apply where a call does not set them.
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
    """A node's description of itself. `incarnation` is new at each start of its process. `answers`: it answers
    questions.

    `withheld` counts the collections (as `search`) and actions that it has but was not granted to offer. `disk` says
    that the volume of its data is low or full, and is empty otherwise.
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
    disk: Annotated[str, Meta(max_length=100)] = ""


class Problem(msgspec.Struct, frozen=True):
    """A failed part of a node, and the reason. While there is one, the node is in the state `error`."""

    part: NodePart
    reason: Annotated[str, Meta(max_length=300)]


class Heartbeat(Message, frozen=True, kw_only=True):
    """`fleet.hb.<node>`: the node's full state, every five seconds and at each change.

    `leaving` marks the last one of a process that stops in good order. `problems` are found by its own checks.
    `heartbeat_s` is the interval it uses, and `state` the state that a master last assigned. `at` is Unix seconds by
    the node's clock. `ledger` is the ledger's mark, and `ledger_accepted` whether the node runs commands by it.
    """

    seq: Annotated[int, Meta(ge=0)]
    description: NodeDescription
    in_flight: InFlight = 0
    leaving: bool = False
    problems: Annotated[list[Problem], Meta(max_length=16)] = []
    heartbeat_s: Annotated[float, Meta(gt=0, le=300)] | None = None
    state: NodeState | None = None
    at: Annotated[float, Meta(ge=0, le=1e11)] | None = None
    ledger: LedgerMark | None = None
    ledger_accepted: bool = True


class Join(Message, frozen=True, kw_only=True):
    """`nodes.join`: register a node that has credentials, and the ledger of this mark. `new`: its operator says that
    the ledger was lost, and has it begin anew.
    """

    description: NodeDescription
    ledger: LedgerMark | None = None
    new: bool = False


class SealKeys(msgspec.Struct, frozen=True):
    """Keys with which a node verifies the masters' seals. `own` is the HMAC-SHA-256 key shared with the masters, 32
    bytes, a secret; `broadcast` the ed25519 public key for broadcasts, 32 bytes.
    """

    own: bytes
    broadcast: bytes

    def __repr__(self) -> str:
        return "SealKeys(…)"


class Joined(Message, frozen=True, kw_only=True):
    """Reply to `nodes.join`: the heartbeat interval in seconds, the node's state, and the reason if it is not `active`.
    `seal` is absent in a fleet without identities. Unless `ledger_accepted` the node must run no command: its ledger is
    not the one that the masters know. `mark` is that of the master.
    """

    node: str
    state: NodeState
    heartbeat_s: float
    reason: str = ""
    seal: SealKeys | None = None
    ledger_accepted: bool = True
    mark: MasterMark | None = None


class EndpointCounters(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counters of one of a node's endpoints since the start. `name` is a verb, or `ask-<verb>` for broadcasts."""

    name: Slug
    requests: Annotated[int, Meta(ge=0)] = 0
    errors: Annotated[int, Meta(ge=0)] = 0
    nanoseconds: Annotated[int, Meta(ge=0)] = 0
    last_error: str = ""


class ServiceCounters(Message, frozen=True, kw_only=True):
    """A node's reply to `figures`, from which the master makes its entry in service discovery (`$SRV`), under the
    node's verified name. `started` is an ISO 8601 time.
    """

    incarnation: str
    version: Annotated[str, Meta(max_length=63)]
    started: Annotated[str, Meta(max_length=63)]
    endpoints: Annotated[list[EndpointCounters], Meta(max_length=64)] = []


class Standing(Message, frozen=True, kw_only=True):
    """`call.<node>.standing`: a change since the node joined: its heartbeat interval in seconds, its state and the
    reason, or whether its ledger is accepted. `mark` is that of the master.
    """

    heartbeat_s: Annotated[float, Meta(gt=0, le=300)]
    state: NodeState
    reason: str = ""
    ledger_accepted: bool = True
    mark: MasterMark | None = None


class Superseded(Message, frozen=True, kw_only=True):
    """`call.<node>.superseded`: the incarnation that now owns the name; a process of another one must stop."""

    incarnation: str


class Pong(Message, frozen=True, kw_only=True):
    """A node's reply to `ping`. `epochs` are those of its collections, by name."""

    incarnation: Annotated[str, Meta(max_length=200)]
    in_flight: InFlight = 0
    epochs: dict[str, int] = {}


class NodeRecord(Message, frozen=True, kw_only=True):
    """Record of a node. Times are Unix seconds; `response_ms` is a moving average of its replies.

    `fingerprint` is that of a node waiting for approval, to be compared with the one the node itself shows. `reason`
    explains the `state`, and `since` is the time of its last change. `presence`: it sends heartbeats (`up`), it
    announced its stop (`stopped`), or neither (`not_heard`). `failing` are the failed parts in the state `error`.
    `heartbeat_s` is its assigned interval. `granted` are the capabilities of its credentials; absent in a fleet without
    identities. `label_sources` says who has set each label. `ledger` is the mark of the ledger that the masters know.
    `clock_off_s` is how far its clock is ahead of its peers' (negative: behind), while that is over a minute.
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
    ledger: LedgerMark | None = None
    clock_off_s: float | None = None


class NodeList(Message, frozen=True, kw_only=True):
    """`nodes.list`: list nodes. Without `all`, removed nodes are left out; with `where`, only those that match."""

    all: bool = False
    where: Annotated[str, Meta(max_length=2000)] | None = None


class NodeListed(Message, frozen=True, kw_only=True):
    nodes: list[NodeRecord]


class NodeGet(Message, frozen=True, kw_only=True):
    """`nodes.get`: return a node's record."""

    node: str


class NodeUpdate(Message, frozen=True, kw_only=True):
    """`nodes.update`: change a node's settings; an absent field stays as it is.

    `labels` are added to the node's, or replace those of the same name; `unlabel` removes some. `labels_from_node`
    withdraws all labels that operators have set, so that those the node declares apply.
    """

    node: str
    state: AssignedState | None = None
    title: Annotated[str, Meta(max_length=200)] | None = None
    labels: Labels | None = None
    weight: Annotated[float, Meta(gt=0, le=1000)] | None = None
    unlabel: Annotated[list[Annotated[str, Meta(max_length=63)]], Meta(max_length=100)] = []
    labels_from_node: bool = False


class NodeRemove(Message, frozen=True, kw_only=True):
    """`nodes.remove`: remove a node (soft delete); its name may be used again."""

    node: str


class NodeRemoved(Message, frozen=True, kw_only=True):
    node: str


class NodePing(Message, frozen=True, kw_only=True):
    """`nodes.ping`: ping these nodes, or all when the list is empty."""

    nodes: list[str] = []
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1000


class NodePinged(Message, frozen=True, kw_only=True):
    """Round-trip time in milliseconds by node; `None` for one that did not answer."""

    ms: dict[str, float | None]


class NodeDiscover(Message, frozen=True, kw_only=True):
    """`nodes.discover`: broadcast a ping, and return who answered it and is not in the fleet, and who waits to be."""

    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1000


class DiscoveredNode(msgspec.Struct, frozen=True):
    """A name that is not in the fleet. `ms` is the round-trip time; `None` for one that did not answer.

    `unregistered`: connected with credentials that are still good, but the master has no record of it. `removed`: an
    operator took it out of the fleet. `pending`: it has asked to be let in.
    """

    name: str
    state: Literal["unregistered", "removed", "pending"]
    ms: float | None


class NodesDiscovered(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Nodes outside of the fleet, by name."""

    nodes: list[DiscoveredNode]


class NodeStatsRequest(Message, frozen=True, kw_only=True):
    """`nodes.stats`: return statistics of the fleet."""


class NodeStats(Message, frozen=True, kw_only=True):
    """Statistics of the fleet. `mean_response_ms` is over the nodes that have answered; `None` when none has."""

    total: int
    healthy: int
    by_state: dict[str, int]
    by_type: dict[str, int]
    documents: int
    mean_response_ms: float | None = None
