"""Search evaluation: `fleet.evaluation`."""

from __future__ import annotations

from collections.abc import Iterable

from fleetfold.caller import ANSWER_S, Caller
from fleetfold.name_lists import Names, listed
from fleetfold.time_limit import milliseconds
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    Judgement,
    QualityClick,
    QualityClicked,
    QualityForget,
    QualityForgotten,
    QualityJudge,
    QualityJudged,
    QualityReport,
    QualityReportRequest,
)

__all__ = ["Evaluation"]

MOST_AT_ONCE = 1000


class Evaluation:
    """Relevance judgements, clicks, and reports of search quality computed from them."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def judge(self, judgements: Iterable[Judgement]) -> QualityJudged:
        """Store how relevant documents are to queries; a new judgement of the same document replaces the old one.

        Up to 1,000 are stored all or none; more are sent in several requests. Requires the role operator.
        """
        every, stored = list(judgements), 0
        for start in range(0, len(every), MOST_AT_ONCE):
            ask = QualityJudge(judgements=every[start : start + MOST_AT_ONCE])
            stored += (await self._caller.ask(verbs.quality.JUDGE, ask)).judgements
        return QualityJudged(judgements=stored, queries=len({one.query for one in every}))

    async def click(self, query: str, node: str, collection: str, id: str, rank: int) -> QualityClicked:
        """Record a click on the hit at `rank`, from 1, in the answer to `query`."""
        ask = QualityClick(query=query, node=node, collection=collection, id=id, rank=rank)
        return await self._caller.ask(verbs.quality.CLICK, ask)

    async def report(
        self,
        *,
        nodes: Names = (),
        collections: Names = (),
        limit: int = 200,
        days: int = 30,
        timeout_s: float = 60.0,
    ) -> QualityReport:
        """Run the latest `limit` judged queries again, and compare the results with the judgements.

        Clicks and counts are of the last `days`. After `timeout_s` the report covers the queries run until then.
        Requires the role operator. Raises `Overloaded` while the master makes another report.
        """
        ask = QualityReportRequest(
            nodes=listed(nodes, "nodes"), collections=listed(collections, "collections"), limit=limit, days=days,
            timeout_ms=milliseconds(timeout_s),
        )  # fmt: skip
        return await self._caller.ask(verbs.quality.REPORT, ask, timeout_s + 2 * ANSWER_S)

    async def forget(self, query: str) -> QualityForgotten:
        """Delete the judgements and clicks of a query; case and white space do not matter."""
        return await self._caller.ask(verbs.quality.FORGET, QualityForget(query=query))
