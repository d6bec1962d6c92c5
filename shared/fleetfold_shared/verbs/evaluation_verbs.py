"""Verbs about the evaluation of searches: judgements, clicks and the report."""

from __future__ import annotations

from fleetfold_shared.messages import (
    QualityClick,
    QualityClicked,
    QualityForget,
    QualityForgotten,
    QualityJudge,
    QualityJudged,
    QualityReport,
    QualityReportRequest,
)
from fleetfold_shared.verbs.verb import OPERATORS, READERS, Verb, allow

__all__ = ["CLICK", "FORGET", "JUDGE", "REPORT"]

JUDGE = Verb(
    "quality.judge", QualityJudge, QualityJudged, "Say how relevant a document is to a query.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
CLICK = Verb(
    "quality.click", QualityClick, QualityClicked, "Say which hit was chosen.",
    roles=allow(READERS), scope="named",
)  # fmt: skip
REPORT = Verb(
    "quality.report", QualityReportRequest, QualityReport,
    "Ask the judged queries again and compute how good searches are.",
    roles=allow(OPERATORS), scope="named", safe=True, idempotent=True,
)  # fmt: skip
FORGET = Verb(
    "quality.forget", QualityForget, QualityForgotten, "Delete the judgements and clicks of a query.",
    roles=allow(OPERATORS), scope="fleet", audit="committed", idempotent=True,
)  # fmt: skip
