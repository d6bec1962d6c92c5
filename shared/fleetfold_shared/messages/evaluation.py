"""The messages about how good searches are: judgements, clicks, and what is computed of them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message

__all__ = [
    "Held",
    "HoldsAsk",
    "Judgement",
    "QualityClick",
    "QualityClicked",
    "QualityFigures",
    "QualityForget",
    "QualityForgotten",
    "QualityJudge",
    "QualityJudged",
    "QualityReport",
    "QualityReportAsk",
    "QueryQuality",
]

Query = Annotated[str, Meta(max_length=100_000)]
DocumentId = Annotated[str, Meta(min_length=1, max_length=512)]


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How relevant a document is to a query: 0 is not at all, 3 is just what is looked for."""

    query: Query
    node: Slug
    collection: Slug
    id: DocumentId
    grade: Annotated[int, Meta(ge=0, le=3)]


class QualityJudge(Message, frozen=True, kw_only=True):
    """`quality.judge`: keep these judgements, all or none. A new one of the same document replaces the old one."""

    judgements: Annotated[list[Judgement], Meta(min_length=1, max_length=1000)]


class QualityJudged(Message, frozen=True, kw_only=True, omit_defaults=False):
    """How many judgements were kept, of how many queries."""

    judgements: int
    queries: int


class QualityClick(Message, frozen=True, kw_only=True):
    """`quality.click`: somebody chose the hit that stood at `rank`, counted from 1, in the answer to `query`."""

    query: Query
    node: Slug
    collection: Slug
    id: DocumentId
    rank: Annotated[int, Meta(ge=1, le=1_000_000)]


class QualityClicked(Message, frozen=True, kw_only=True, omit_defaults=False):
    """It is kept: when, in Unix seconds."""

    at: float


class QualityForget(Message, frozen=True, kw_only=True):
    """`quality.forget`: drop all that is kept about a query, whatever its case and white space."""

    query: Query


class QualityForgotten(Message, frozen=True, kw_only=True, omit_defaults=False):
    """How many judgements and clicks were dropped."""

    judgements: int
    clicks: int


class QualityReportAsk(Message, frozen=True, kw_only=True):
    """`quality.report`: ask the judged queries again, at most `limit` of them, the latest judged first, and compute.

    Clicks and counts are of the last `days`. After `timeout_ms` the figures are of the queries asked so far.
    """

    nodes: list[str] = []
    collections: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 200
    days: Annotated[int, Meta(ge=1, le=3650)] = 30
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 60_000


class QualityFigures(msgspec.Struct, frozen=True):
    """Figures of the fleet, of a node, or of a node's collection; null where there is nothing to compute them of.

    `ndcg` and `recall` are means at depth 10 over `queries`, those with a relevant document there, of which
    `judgements` tell. `click_rr` is the mean of 1 / rank over `clicks`. `zero_rate` is the part of `searches` that
    found nothing.
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
    """One judged query over all that was searched."""

    query: str
    ndcg: float
    recall: float


class QualityReport(Message, frozen=True, kw_only=True, omit_defaults=False):
    """What is computed. `judged` queries were to be asked; `incomplete` of them lacked a node and do not count.

    Those that are neither measured nor incomplete were not reached in time. `worst` are up to 10 by nDCG.
    """

    fleet: QualityFigures
    nodes: list[QualityFigures]
    collections: list[QualityFigures]
    worst: list[QueryQuality]
    judged: int
    measured: int
    incomplete: int
    since: float
    took_ms: float


class HoldsAsk(Message, frozen=True, kw_only=True):
    """`call.<node>.holds`: which of these documents the node's collection has."""

    collection: Slug
    ids: Annotated[list[str], Meta(max_length=1000)]


class Held(Message, frozen=True, kw_only=True):
    """Those of the ids that it has."""

    ids: list[str] = []
