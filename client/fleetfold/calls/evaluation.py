"""Client calls about search evaluation."""

from __future__ import annotations

from collections.abc import Iterable

from fleetfold.caller import ANSWER_S, Caller
from fleetfold.names import Names, listed
from fleetfold_shared.messages import (
    Judgement,
    QualityClick,
    QualityClicked,
    QualityForget,
    QualityForgotten,
    QualityJudge,
    QualityJudged,
    QualityReport,
    QualityReportAsk,
)

__all__ = ["QualityCalls"]

MOST_AT_ONCE = 1000


class QualityCalls(Caller):
    """Judgements, clicks, and the report."""

    async def judge(self, judgements: Iterable[Judgement]) -> QualityJudged:
        """Keep how relevant documents are to queries; a new judgement of the same document replaces the old one.

        Up to 1,000 are kept all or none; more are sent in parts. Needs the role operator.
        """
        every, kept = list(judgements), 0
        for start in range(0, len(every), MOST_AT_ONCE):
            ask = QualityJudge(judgements=every[start : start + MOST_AT_ONCE])
            kept += (await self._ask("quality.judge", ask, QualityJudged)).judgements
        return QualityJudged(judgements=kept, queries=len({one.query for one in every}))

    async def click(self, query: str, node: str, collection: str, id: str, rank: int) -> QualityClicked:  # noqa: A002
        """Say that the hit at `rank`, counted from 1, in the answer to `query` was chosen."""
        ask = QualityClick(query=query, node=node, collection=collection, id=id, rank=rank)
        return await self._ask("quality.click", ask, QualityClicked)

    async def quality(
        self,
        *,
        nodes: Names = (),
        collections: Names = (),
        limit: int = 200,
        days: int = 30,
        timeout_s: float = 60.0,
    ) -> QualityReport:
        """How good searches are: the latest `limit` judged queries are asked again and held against the judgements.

        Clicks and counts are of the last `days`. When `timeout_s` is over, the figures are of the queries asked so far.
        Needs the role operator; `Overloaded` while the master makes another report.
        """
        ask = QualityReportAsk(
            nodes=listed(nodes, "nodes"), collections=listed(collections, "collections"), limit=limit, days=days,
            timeout_ms=round(timeout_s * 1000),
        )  # fmt: skip
        return await self._ask("quality.report", ask, QualityReport, timeout_s + 2 * ANSWER_S)

    async def forget_query(self, query: str) -> QualityForgotten:
        """Drop the judgements and clicks of a query, whatever its case and white space."""
        return await self._ask("quality.forget", QualityForget(query=query), QualityForgotten)
