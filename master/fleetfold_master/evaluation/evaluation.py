"""The evaluation report: judged queries are run again, and their rankings compared with the judgements."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from statistics import fmean

import msgspec
from msgspec.structs import replace

from fleetfold_master.evaluation.evaluation_rows import (
    StoredJudgement,
    read_clicks,
    read_counts,
    read_judged,
    read_queries,
)
from fleetfold_master.evaluation.search_statistics import DAY_S, FLEET
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError, Overloaded
from fleetfold_shared.messages import QualityMetrics, QualityReport, QueryQuality, Search, Searched
from fleetfold_shared.text.ranking_metrics import DEPTH, ndcg, recall

__all__ = ["Evaluation", "Place", "ReportScope"]

WORST = 10
SEARCH_MS = 10_000

Place = tuple[str, str]
"""A node and its collection; no collection for the whole node, neither for everything requested."""
Document = tuple[str, str, str]


class ReportScope(msgspec.Struct, frozen=True):
    """The scope of a report: nodes with their collections, as far as the caller may see, and the time limit.

    `whole` if that is the whole fleet: only then do the fleet-wide counts apply.
    """

    places: Mapping[str, Sequence[str]]
    collections: list[str]
    limit: int
    days: int
    timeout_s: float
    whole: bool


class PlaceMetrics(msgspec.Struct):
    """The metrics of one place as they accumulate."""

    ndcg: list[float] = []
    recall: list[float] = []
    judgements: int = 0


class Evaluation:
    """Makes reports one at a time, with searches in sequence, to leave capacity to other callers."""

    def __init__(self, store: Store, search: Callable[[Search], Awaitable[Searched]], clock: Clock) -> None:
        self._store, self._search, self._clock = store, search, clock
        self._busy = asyncio.Lock()

    async def report(self, asked: ReportScope) -> QualityReport:
        """The report. Raises `Overloaded` while another one is made here."""
        if self._busy.locked():
            raise Overloaded("quality: another report is being made; ask again when it is ready")
        async with self._busy:
            return await self._report(asked)

    async def _report(self, asked: ReportScope) -> QualityReport:
        started, since = time.perf_counter(), self._clock.wall() - asked.days * DAY_S
        queries = await read_queries(self._store, asked.limit, list(asked.places), asked.collections)
        run = ReportRun(self._search, asked)
        for query, text in queries.items():
            if time.perf_counter() - started >= asked.timeout_s:
                break
            await run.measure(text, await read_judged(self._store, query))
        metrics = await self._used(run.metrics(), asked, since)
        return QualityReport(
            fleet=metrics.pop(FLEET), nodes=[one for _, one in sorted(metrics.items()) if one.collection is None],
            collections=[one for _, one in sorted(metrics.items()) if one.collection is not None],
            worst=sorted(run.single, key=lambda one: (one.ndcg, one.query))[:WORST], judged=len(queries),
            measured=len(run.single), incomplete=run.incomplete, since=since,
            took_ms=round((time.perf_counter() - started) * 1000, 3),
        )  # fmt: skip

    async def _used(
        self, metrics: dict[Place, QualityMetrics], asked: ReportScope, since: float
    ) -> dict[Place, QualityMetrics]:
        """Add the metrics of clicks and counts."""
        ranks: defaultdict[Place, list[tuple[int, int]]] = defaultdict(list)
        for click, times in await read_clicks(self._store, since):
            if click.collection in asked.places.get(click.node, ()):
                for place in (FLEET, (click.node, ""), (click.node, click.collection)):
                    ranks[place].append((click.rank, times))
        for place, ranked in ranks.items():
            clicks = sum(times for _, times in ranked)
            mean = sum(times / rank for rank, times in ranked) / clicks
            metrics[place] = replace(metrics[place], clicks=clicks, click_rr=round(mean, 4))
        for count in await read_counts(self._store, int(since // DAY_S)):
            place = (count.node, count.collection)
            if place in metrics and _shown(place, asked):
                rate = round(count.empty / count.searches, 4)
                metrics[place] = replace(metrics[place], searches=count.searches, zero_rate=rate)
        return metrics


class ReportRun:
    """The searches of one report."""

    def __init__(self, search: Callable[[Search], Awaitable[Searched]], asked: ReportScope) -> None:
        self._search, self._asked = search, asked
        self._measured: dict[Place, PlaceMetrics] = {place: PlaceMetrics() for place in _places(asked.places)}
        self.single: list[QueryQuality] = []
        self.incomplete = 0

    async def measure(self, text: str, judged: Iterable[StoredJudgement]) -> None:
        """Run a query over everything, then over each node and collection with a relevant document, and compare."""
        seen = [one for one in judged if one.collection in self._asked.places.get(one.node, ())]
        grades = {one[:3]: one.grade for one in seen}
        if not any(grades.values()):
            return
        relevant = {place for one in seen if one.grade for place in (FLEET, (one.node, ""), (one.node, one.collection))}
        found = {place: await self._ranking(text, place) for place in sorted(relevant)}
        rankings = {place: ranking for place, ranking in found.items() if ranking is not None}
        if len(rankings) < len(found):
            self.incomplete += 1
            return
        for place, ranking in rankings.items():
            self._add(place, ranking, {one: grade for one, grade in grades.items() if _inside(one, place)})
        whole = rankings[FLEET]
        self.single.append(QueryQuality(text, round(ndcg(whole, grades), 4), round(recall(whole, grades), 4)))

    def metrics(self) -> dict[Place, QualityMetrics]:
        """The metrics of every place: means over its queries."""
        return {
            (node, collection): QualityMetrics(
                node or None, collection or None, len(one.ndcg), one.judgements, _mean(one.ndcg), _mean(one.recall)
            )
            for (node, collection), one in self._measured.items()
        }

    async def _ranking(self, text: str, place: Place) -> list[Document] | None:
        """The documents found there, best first; None if a node is missing."""
        node, collection = place
        nodes = [node] if node else list(self._asked.places)
        collections = [collection] if collection else self._asked.collections
        ask = Search(
            query=text, limit=DEPTH, nodes=nodes, collections=collections, partial="require", cache="off",
            timeout_ms=SEARCH_MS,
        )  # fmt: skip
        try:
            found = await self._search(ask)
        except FleetfoldError:  # such as a node that was removed meanwhile
            return None
        return None if found.partial else [(hit.node, hit.collection, hit.id) for hit in found.hits]

    def _add(self, place: Place, ranking: list[Document], grades: Mapping[Document, int]) -> None:
        measured = self._measured[place]
        measured.ndcg.append(ndcg(ranking, grades))
        measured.recall.append(recall(ranking, grades))
        measured.judgements += len(grades)


def _places(nodes: Mapping[str, Sequence[str]]) -> Iterable[Place]:
    yield FLEET
    for node, collections in nodes.items():
        yield (node, "")
        yield from ((node, collection) for collection in collections)


def _shown(place: Place, asked: ReportScope) -> bool:
    """Whether the place's searches were limited to the report's scope."""
    return asked.whole if place == FLEET else bool(place[1]) or not asked.collections


def _inside(document: Document, place: Place) -> bool:
    node, collection = place
    return node in {"", document[0]} and collection in {"", document[1]}


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 4) if values else None
