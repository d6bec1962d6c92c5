"""Messages for search evaluation: judgements, clicks, and metrics computed from them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message

__all__ = [
    "Held",
    "HoldsRequest",
    "Judgement",
    "QualityClick",
    "QualityClicked",
    "QualityForget",
    "QualityForgotten",
    "QualityJudge",
    "QualityJudged",
    "QualityMetrics",
    "QualityReport",
    "QualityReportRequest",
    "QueryQuality",
]

Query = Annotated[str, Meta(max_length=100_000)]
DocumentId = Annotated[str, Meta(min_length=1, max_length=512)]


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Relevance of a document to a query: 0 is not relevant, 3 exactly what was searched for."""

    query: Query
    node: Slug
    collection: Slug
    id: DocumentId
    grade: Annotated[int, Meta(ge=0, le=3)]


class QualityJudge(Message, frozen=True, kw_only=True):
    """`quality.judge`: store these judgements, all or none. A new one of the same document replaces the old one."""

    judgements: Annotated[list[Judgement], Meta(min_length=1, max_length=1000)]


class QualityJudged(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Number of stored judgements, and of their queries."""

    judgements: int
    queries: int


class QualityClick(Message, frozen=True, kw_only=True):
    """`quality.click`: record a click on the hit at `rank`, from 1, in the answer to `query`."""

    query: Query
    node: Slug
    collection: Slug
    id: DocumentId
    rank: Annotated[int, Meta(ge=1, le=1_000_000)]


class QualityClicked(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The click's time in Unix seconds."""

    at: float


class QualityForget(Message, frozen=True, kw_only=True):
    """`quality.forget`: delete all data of a query, ignoring case and white space."""

    query: Query


class QualityForgotten(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Number of deleted judgements and clicks."""

    judgements: int
    clicks: int


class QualityReportRequest(Message, frozen=True, kw_only=True):
    """`quality.report`: repeat the judged queries, the latest judged first and at most `limit`, and compute metrics.

    Clicks and counts are of the last `days`. After `timeout_ms` the metrics cover the queries completed so far.
    """

    nodes: list[str] = []
    collections: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 200
    days: Annotated[int, Meta(ge=1, le=3650)] = 30
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 60_000


class QualityMetrics(msgspec.Struct, frozen=True):
    """Metrics of the fleet, a node, or a node's collection; null where there is no data.

    `ndcg` and `recall` are means at depth 10 over `queries` with a relevant document there, known from `judgements`.
    `click_rr` is the mean of 1 / rank over `clicks`. `zero_rate` is the share of `searches` without a hit.
    """

    node: str | None = None
    collection: str | None = None
    queries: int = 0
    judgements: int = 0
    ndcg: float | None = None
    recall: float | None = None
    clicks: int = 0
    click_rr: float | None = None
    searches: int = 0
    zero_rate: float | None = None


class QueryQuality(msgspec.Struct, frozen=True):
    """Metrics of one judged query over everything searched."""

    query: str
    ndcg: float
    recall: float


class QualityReport(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Evaluation report. Of `judged` queries, `incomplete` ones lacked a node and do not count; those neither measured
    nor incomplete were not reached in time. `worst` are up to 10 queries by nDCG.
    """

    fleet: QualityMetrics
    nodes: list[QualityMetrics]
    collections: list[QualityMetrics]
    worst: list[QueryQuality]
    judged: int
    measured: int
    incomplete: int
    since: float
    took_ms: float


class HoldsRequest(Message, frozen=True, kw_only=True):
    """`call.<node>.holds`: return which of these documents the node's collection contains."""

    collection: Slug
    ids: Annotated[list[str], Meta(max_length=1000)]


class Held(Message, frozen=True, kw_only=True):
    """The ids of documents that exist."""

    ids: list[str] = []
