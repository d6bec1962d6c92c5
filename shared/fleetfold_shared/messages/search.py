"""Messages of a search: the caller's request, the shard request to a node, the shard response, and the merged
response.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.explanation import CollectionExplained, Explained, Highlight, NodeExplained
from fleetfold_shared.messages.search_criteria import Facet, FacetCounts, Filter, Scalar, Sort

__all__ = [
    "CacheUse", "Dedup", "FieldKind", "FieldNote", "Fingerprints", "Hit", "NodeReport", "NodeStatus", "Partial",
    "Parts", "Place", "ScoredDocument", "Search", "SearchAnswer", "SearchRequest", "Searched", "Source", "Term",
    "WhichNodes",
]  # fmt: skip

NodeStatus = Literal[
    "ok", "partial", "timeout", "open", "not_selected", "error", "no_collection", "unreachable", "stopped"
]
Dedup = Literal["off", "exact", "near"]
WhichNodes = Literal["all", "auto"]
Partial = Literal["allow", "require", "fail"]
CacheUse = Literal["use", "refresh", "off"]
FieldKind = Literal["number", "text", "boolean", "list", "object", "null", "unknown"]


class Term(msgspec.Struct, frozen=True, array_like=True):
    """A query term: its frequency in the query, and its idf over all documents that are searched."""

    term: str
    qtf: int
    idf: float


class Parts(msgspec.Struct, frozen=True, array_like=True):
    """Parts of a score: BM25 over its divisor (0 to 1), and the cosine, at least 0."""

    bm25: float
    cosine: float


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Position of a page's last hit. Hits are ordered by score, highest first, then by node, collection and id."""

    score: Annotated[float, Meta(gt=0, le=1000)]
    node: str
    collection: str
    id: str


class Fingerprints(msgspec.Struct, frozen=True, omit_defaults=True):
    """Fingerprints for detecting duplicate hits, sent on request.

    `digest` is 16 bytes of BLAKE2b over the normalised title and content, absent without any; `keys` are declared keys
    as `kind:field:value`, normalised; `traits` such as the colour distinguish variants. `vector` is the document's
    (dimensions), little-endian float16, for `near` only.
    """

    digest: bytes | None = None
    keys: list[str] = []
    traits: dict[str, str] = {}
    vector: bytes | None = None


class Source(msgspec.Struct, frozen=True):
    """A duplicate of a hit: where else it was found, and its score there."""

    node: str
    collection: str
    id: str
    score: float


class Search(Message, frozen=True, kw_only=True):
    """`search.query`: search the fleet. `highlight` and `explain` add details to the hits, and cost time; `cursor`,
    from the page before, asks for the next page. `dedup` merges duplicates from several nodes: by content and declared
    keys (`exact`), or also by similarity (`near`).

    `facets` are up to 10 fields, as in a filter, whose values are counted over all matching documents, whether they are
    among the hits or not. `sort` is up to 3 keys that order the hits before their score does.

    `nodes` are names, or `all`, or `auto` for those that are likely to have relevant documents; `among` narrows the
    last two to some names. `context` are the previous queries, oldest first, which count in `auto`.

    `partial` decides about nodes that are slow or away: `allow` goes without them when most of the expected relevance
    has arrived, `require` waits for each until the deadline, `fail` does so and then refuses an incomplete answer. At
    most `max_parallel` nodes are searched at once. `alpha` weighs BM25 against the cosine in all collections, instead
    of what each declares. `cache` controls the use of cached answers.
    """

    query: Annotated[str, Meta(max_length=100_000)]
    limit: int = 10
    threshold: float | None = None
    nodes: list[str] | WhichNodes = []
    collections: list[str] = []
    filter: Filter | None = None
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 2000
    highlight: bool = False
    explain: bool = False
    cursor: Annotated[str, Meta(max_length=100_000)] | None = None
    dedup: Dedup = "off"
    facets: list[str] = []
    sort: list[Sort] = []
    among: list[str] = []
    context: Annotated[list[Annotated[str, Meta(max_length=100_000)]], Meta(max_length=10)] = []
    partial: Partial = "allow"
    max_parallel: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    alpha: Annotated[float, Meta(ge=0, le=1)] | None = None
    cache: CacheUse = "use"


class SearchRequest(Message, frozen=True, kw_only=True):
    """`ask.search` and `call.<node>.search`: shard request with all that a node needs to score exactly as one index
    would.

    `vector` (dimensions) is little-endian float32, unit length; absent when the query has none. The reply goes to
    `gather.<requester>.<node>`. `alpha` weighs BM25 against the cosine; a collection that declares its own uses that,
    unless `same_alpha`. `after` asks for hits behind that position.

    A node with another analyzer or embedder gets the `query` itself: it ranks `k` candidates in its own way, and the
    master re-scores them.
    """

    request: str
    terms: list[Term]
    avgdl: float
    divisor: float
    k: int
    deadline_ms: int
    analyzer: str
    embedder: str
    alpha: float = 0.7
    vector: bytes | None = None
    threshold: float | None = None
    filter: Filter | None = None
    collections: list[str] = []
    highlight: bool = False
    explain: bool = False
    after: Place | None = None
    dedup: Dedup = "off"
    facets: list[str] = []
    sort: list[Sort] = []
    same_alpha: bool = False
    query: str | None = None


class ScoredDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of a node's top k, best first, ties by collection and id. `sort` has a value for each sort key of the
    request. `cut` names values that were shortened or left out because the document is too large for a message, as in
    `Hit`.
    """

    collection: str
    id: str
    score: float
    parts: Parts
    title: str = ""
    content: str = ""
    metadata: dict[str, Any] = {}
    highlight: Highlight | None = None
    explain: Explained | None = None
    marks: Fingerprints | None = None
    sort: tuple[Scalar, ...] = ()
    cut: list[str] = []


class SearchAnswer(Message, frozen=True, kw_only=True):
    """`gather.<requester>.<node>`: shard response, a node's top k.

    `exact` is false where an index selected candidates; `partial` when some of the collections were not searched in
    time. `kinds` are, for each field in the request's filter, sort and facets, the kinds of value that documents have
    there, matching or not: none where no document has the field, `unknown` where not all were examined.

    `more`: the node has hits behind the last of these; fewer than k are sent where more do not fit into a message.
    `explain` lists the searched collections on request. `left_out` are those not searched in time; `code` is that of
    the error.
    """

    status: Literal["ok", "partial", "error", "no_collection"] = "ok"
    hits: list[ScoredDocument] = []
    ms: float = 0.0
    error: str | None = None
    exact: bool = True
    explain: list[CollectionExplained] = []
    more: bool = False
    facets: list[FacetCounts] = []
    left_out: list[str] = []
    code: str | None = None
    kinds: dict[str, list[FieldKind]] = {}


class Hit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One hit of the merged answer. `highlight` and `explain` are present on request, if there was time and room for
    them.

    `also` lists duplicates, best first, when the search removes them; `also_left_out` counts those that did not fit
    into the answer. `cut` names values that were shortened or left out because the hit is too large for a message:
    `content`, `metadata.notes`.
    """

    node: str
    collection: str
    id: str
    score: float
    parts: dict[str, float]
    title: str
    content: str
    metadata: dict[str, Any] = {}
    highlight: Highlight | None = None
    explain: Explained | None = None
    also: list[Source] = []
    also_left_out: int = 0
    cut: list[str] = []


class NodeReport(msgspec.Struct, frozen=True):
    """Report on one node in one search; `ms` is from the request to its reply.

    `exact` is false where an index selected candidates: facets and order then cover these alone. `expected` is its
    share of the expected relevance of all nodes, 0 to 1; `reason` explains why `auto` searched it or did not.

    A `stopped` node has announced its stop: the answer is complete without it, unless the search names it, demands
    every node (`partial` is `require` or `fail`), or has no other node.

    `replica` names the node that was searched for the same documents instead; `rescored`: it has another analyzer or
    embedder, so the master scored its candidates. `code` is that of the `error`; with `bad_answer` the reply does not
    fit the request, and none of it is used.
    """

    node: str
    status: NodeStatus
    count: int = 0
    ms: float | None = None
    error: str | None = None
    explain: NodeExplained | None = None
    exact: bool = True
    expected: float = 0.0
    reason: str | None = None
    replica: str | None = None
    rescored: bool = False
    code: str | None = None


class FieldNote(msgspec.Struct, frozen=True):
    """A remark on a field of the request, over all searched documents: `no_such_field` when none has it, `other_kind`
    when a filter compares it with a value of another kind than documents have, or a sort or facet meets values of
    several kinds, or of one that has no order. `text` says so.
    """

    code: Literal["no_such_field", "other_kind"]
    field: str
    text: str


class Searched(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The merged answer: `total` hits in `hits`; `partial` when a requested node is missing from them.

    `cursor` asks for the next page, and is null on the last one. `changed`: documents may have changed since the first
    page, so one may be missing or appear twice. `facets` has one for each requested field, in that order.

    `coverage` is the share of the expected relevance on the nodes that answered, 0 to 1. `cached`: the answer comes
    from the cache and is `age_s` seconds old; `took_ms` is then the time of the look-up. `notes` are on fields that no
    document has, or that are compared with values of another kind.
    """

    query: str
    hits: list[Hit]
    nodes: list[NodeReport]
    total: int
    took_ms: float
    partial: bool
    cursor: str | None = None
    changed: bool = False
    facets: list[Facet] = []
    coverage: float = 1.0
    cached: bool = False
    age_s: float | None = None
    notes: list[FieldNote] = []
