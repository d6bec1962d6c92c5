"""The messages of a search: the caller's question, the master's ask, a node's answer, and the fold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.criteria import Facet, FacetCounts, Filter, Scalar, Sort
from fleetfold_shared.messages.explanation import CollectionExplained, Explained, Highlight, NodeExplained

__all__ = [
    "CacheUse",
    "Dedup",
    "FieldKind",
    "FieldNote",
    "Fingerprints",
    "Hit",
    "NodeReport",
    "NodeStatus",
    "Partial",
    "Parts",
    "Place",
    "ScoredDocument",
    "Search",
    "SearchAnswer",
    "SearchAsk",
    "Searched",
    "Source",
    "Term",
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
    """A query term: how often the query has it, and its idf over all documents that are searched."""

    term: str
    qtf: int
    idf: float


class Parts(msgspec.Struct, frozen=True, array_like=True):
    """What the score is made of: BM25 over its divisor (0 to 1), and the cosine, not below 0."""

    bm25: float
    cosine: float


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: its last hit. Hits are ordered by score, highest first, then by node, collection and id."""

    score: Annotated[float, Meta(gt=0, le=1000)]
    node: str
    collection: str
    id: str


class Fingerprints(msgspec.Struct, frozen=True, omit_defaults=True):
    """What tells whether two hits are the same thing, sent when the ask says so.

    `digest` is 16 bytes of BLAKE2b over the normalised title and content, absent without any; `keys` are declared
    keys as `kind:field:value`, in one spelling; `traits` such as the colour tell variants apart. `vector` is the
    document's, little-endian float16, for `near` only.
    """

    digest: bytes | None = None
    keys: list[str] = []
    traits: dict[str, str] = {}
    vector: bytes | None = None


class Source(msgspec.Struct, frozen=True):
    """Where else a hit was found, and how well it scored there."""

    node: str
    collection: str
    id: str
    score: float


class Search(Message, frozen=True, kw_only=True):
    """`search.query`: the caller's question. `highlight` and `explain` have the answer say more, and cost time;
    `cursor`, from the page before, asks for what follows it. `dedup` shows what several nodes hold once: by content
    and declared keys (`exact`), or also by likeness (`near`).

    `facets` are up to 10 fields, as in a filter, whose values are counted over all documents that match, whether they
    are among the hits or not. `sort` is up to 3 keys that order the hits before their score does.

    `nodes` are names, or `all`, or `auto` for those that are likely to have what is looked for; `among` narrows the
    last two to some names. `context` are the queries before this one, oldest first: they weigh in `auto`.

    `partial` says what to do about nodes that are slow or away: `allow` goes without them when most of what is
    expected has come, `require` waits for each until the deadline, `fail` does so and then refuses an answer that
    lacks one. `max_parallel` nodes are asked at once. `alpha` weighs BM25 against the cosine in all collections, in
    the place of what each declares. `cache` says whether an answer that is known may be given.
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


class SearchAsk(Message, frozen=True, kw_only=True):
    """`ask.search` and `call.<node>.search`: all that a node needs to score exactly as one index would.

    `vector` is little-endian float32, unit length; absent when the query has none. The answer goes to
    `gather.<asker>.<node>`. `alpha` weighs BM25 against the cosine; a collection that declares its own uses that,
    unless `same_alpha`. With `after` only what is behind that place.

    A node of another analyzer or embedder is given the `query` itself: it ranks `k` candidates in its own way, and the
    master scores them anew.
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
    """One of a node's top k, best first, ties by collection and id. `sort` is what it has for each key of the ask.

    `cut` names what was shortened or left out because the document is too large for a message, as in `Hit`.
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
    """`gather.<asker>.<node>`: a node's top k. `exact` is false where an index chose candidates; `partial` when some
    of the collections were not searched in time. `kinds` are by field of the ask's filter, sort and facets the kinds of
    value that documents have there, whether they match or not: none where no document has the field, `unknown` where
    not all were looked at.

    `more` when the node has hits behind the last of these: they are fewer than k where more do not fit into a message.
    `explain` has the collections that were searched, if that
    was asked for. `left_out` are those that were not searched in time; `code` is that of the error.
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
    """One hit of the fold. `highlight` and `explain` are there if asked for and there was time and room for them.

    `also` is where the same thing was found besides, best first, when the search removes duplicates; `also_left_out`
    counts those that did not fit into the answer. `cut` names the values that were shortened or left out because the
    hit is too large for a message: `content`, `metadata.notes`.
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
    """What became of one node in one search; `ms` is from the ask to its answer.

    `exact` is false where an index chose candidates: its facets and its order are over these alone. `expected` is its
    share of what all nodes are expected to have of relevance, 0 to 1; `reason` is why `auto` asked it or did not.
    A node that is `stopped` has said goodbye: the answer lacks nothing by it, unless the search names it, demands every
    node (`partial` is `require` or `fail`), or has nobody else to ask.
    `replica` names who was asked for the same documents in its stead; `rescored` that it has another analyzer or
    embedder, so that the master scored its candidates. `code` is that of the `error`; with `bad_answer` the answer does
    not fit what was asked, and none of it is used.
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
    """What is odd about a field of the question, over all documents that were searched: `no_such_field` when none has
    it, `other_kind` when a filter compares it with a value of another kind than documents have, or a sort or facet
    meets values of several kinds, or of one that has no order. `text` says so.
    """

    code: Literal["no_such_field", "other_kind"]
    field: str
    text: str


class Searched(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The answer: `total` hits in `hits`; `partial` when a node that was asked is missing from them.

    `cursor` asks for the next page, and is null on the last one. `changed` when documents may have changed since the
    first page: one of those may be missing, or come twice.
    `facets` has one for each field that was asked for, in that order.
    `coverage` is the share of the expected relevance that the nodes which answered stand for, 0 to 1. `cached` when
    the answer was kept from an equal question, `age_s` seconds ago; `took_ms` is then what the look-up took. `notes`
    are on fields that no document has, or that are compared with values of another kind.
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
