"""The messages of a search: the caller's question, the master's ask, a node's answer, the fold, and statistics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.explain import CollectionExplained, Explained, Highlight, NodeExplained

__all__ = [
    "Dedup", "Facet", "FacetCounts", "FacetValue", "Filter", "Hit", "Marks", "NodeReport", "NodeStatus", "Parts",
    "Place", "ScoredDocument", "Search", "SearchAnswer", "SearchAsk", "Searched", "Sort", "Source", "StatisticsAsk",
    "StatisticsChunk", "Term", "ValueCount",
]  # fmt: skip

NodeStatus = Literal["ok", "partial", "timeout", "open", "not_selected", "error", "no_collection", "unreachable"]
Scalar = str | int | float | bool | None
Dedup = Literal["off", "exact", "near"]
Value = str | int | float | bool


class Filter(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Either a test of one field (`field`, `op`, `value`) or a combination (`all`, `any`, `none` of filters).

    `field` is `id`, `title` or a key of the metadata, dots reaching into nested objects. `in` takes a list;
    `contains` a substring of a string or a member of a list; `exists` true or false.
    """

    field: str | None = None
    op: Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "contains", "exists"] = "eq"
    value: Scalar | list[Scalar] = None
    all: list[Filter] | None = None
    any: list[Filter] | None = None
    none: list[Filter] | None = None


class Sort(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A key to order hits by: a field as in a filter, or `_score`.

    Without an `order` it is `desc` for `_score` and `asc` for fields. In either order numbers come before texts, texts
    before booleans, and documents whose field is missing, null, a list or an object come last. Texts are compared by
    code points, by their first 100 characters.
    """

    field: str
    order: Literal["asc", "desc"] | None = None


class ValueCount(msgspec.Struct, frozen=True, array_like=True):
    """A value, and how many of a node's documents have it."""

    value: Value
    count: int


class FacetCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node's facet: up to 1,000 values, most frequent first.

    `missing` counts the documents without a value. `cut` says that values were left out.
    """

    field: str
    values: list[ValueCount] = []
    missing: int = 0
    cut: bool = False


class FacetValue(msgspec.Struct, frozen=True):
    """A value, and how many documents have it. Of a text, its first 100 characters."""

    value: Value
    count: int


class Facet(msgspec.Struct, frozen=True):
    """One field over all documents that match: its 20 most frequent values, of `distinct` ones.

    `missing` counts the documents without the field, or with null, an object or an empty list there. `approximate` says
    that a node did not tell all of its values, or did not look at all of its documents.
    """

    field: str
    values: list[FacetValue]
    missing: int = 0
    distinct: int = 0
    approximate: bool = False


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


class Marks(msgspec.Struct, frozen=True, omit_defaults=True):
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
    """

    query: Annotated[str, Meta(max_length=100_000)]
    limit: int = 10
    threshold: float | None = None
    nodes: list[str] = []
    collections: list[str] = []
    filter: Filter | None = None
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 2000
    highlight: bool = False
    explain: bool = False
    cursor: Annotated[str, Meta(max_length=100_000)] | None = None
    dedup: Dedup = "off"
    facets: list[str] = []
    sort: list[Sort] = []


class SearchAsk(Message, frozen=True, kw_only=True):
    """`ask.search` and `call.<node>.search`: all that a node needs to score exactly as one index would.

    `vector` is little-endian float32, unit length; absent when the query has none. The answer goes to
    `gather.<request>.<node>`. `alpha` weighs BM25 against the cosine. With `after` only what is behind that place.
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


class ScoredDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of a node's top k, best first, ties by collection and id. `sort` is what it has for each key of the ask."""

    collection: str
    id: str
    score: float
    parts: Parts
    title: str = ""
    content: str = ""
    metadata: dict[str, Any] = {}
    highlight: Highlight | None = None
    explain: Explained | None = None
    marks: Marks | None = None
    sort: tuple[Scalar, ...] = ()


class SearchAnswer(Message, frozen=True, kw_only=True):
    """`gather.<request>.<node>`: a node's top k. `exact` is false where an index chose candidates.

    `more` when the node has hits behind the last of these; `explain` has the collections that were searched, if that
    was asked for.
    """

    status: Literal["ok", "error", "no_collection"] = "ok"
    hits: list[ScoredDocument] = []
    ms: float = 0.0
    error: str | None = None
    exact: bool = True
    explain: list[CollectionExplained] = []
    more: bool = False
    facets: list[FacetCounts] = []


class Hit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One hit of the fold. `highlight` and `explain` are there if asked for and there was time and room for them.

    `also` is where the same thing was found besides, best first, when the search removes duplicates; `also_left_out`
    counts those that did not fit into the answer.
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


class NodeReport(msgspec.Struct, frozen=True):
    """What became of one node in one search; `ms` is from the ask to its answer.

    `exact` is false where an index chose candidates: its facets and its order are over these alone.
    """

    node: str
    status: NodeStatus
    count: int = 0
    ms: float | None = None
    error: str | None = None
    explain: NodeExplained | None = None
    exact: bool = True


class Searched(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The answer: `total` hits in `hits`; `partial` when a node that was asked is missing from them.

    `cursor` asks for the next page, and is null on the last one. `changed` when documents may have changed since the
    first page: one of those may be missing, or come twice.
    `facets` has one for each field that was asked for, in that order.
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


class StatisticsAsk(Message, frozen=True, kw_only=True):
    """`call.<node>.statistics`: what changed in a collection's statistics since `since` of this `incarnation`."""

    collection: Slug
    incarnation: str = ""
    since: int = 0
    offset: int = 0


class StatisticsChunk(Message, frozen=True, kw_only=True):
    """A part of a delta. `terms` is zlib over JSON `{term: df}`, absolute values, 0 for a term that is gone.

    `full` says that the receiver must forget what it held; `next_offset` is absent in the last chunk.
    """

    incarnation: str
    epoch: int
    documents: int
    length: int
    full: bool
    terms: bytes
    next_offset: int | None = None
