"""Federated search: one round trip to the nodes, an exact merge, and the truth about who is missing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from fleetfold_master.nodes import Pace, Presence, Registry
from fleetfold_master.search.corpora import Corpora
from fleetfold_master.search.coverage import (
    Documents,
    coverage,
    document_shares,
    documents_of,
    is_missing,
    part_of,
    refuse_missing,
)
from fleetfold_master.search.explain import explained_reports
from fleetfold_master.search.facets import merged_facets
from fleetfold_master.search.fold import fold, fold_sorted
from fleetfold_master.search.fullpage import Answers, FullPage
from fleetfold_master.search.likeness import likeness
from fleetfold_master.search.paging import Pages, Version
from fleetfold_master.search.question import Plan, candidates, check_search, plan, weighted_ask
from fleetfold_master.search.scatter import Manner, Rounds, Scatter
from fleetfold_master.search.sources import fitting_sources
from fleetfold_shared.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Hit, Search, SearchAsk, Searched
from fleetfold_shared.statistics import MergedCorpus

__all__ = ["Federation"]

LEAST_MARGIN_S, FIRST_MARGIN_S, EACH_S, MOST_MARGIN = 0.002, 0.03, 0.002, 0.25
"""Of its time a search keeps back what folding usually takes: at least so much, and at most a quarter of all.

Searches that wait for the same node end together, and are folded one after another: something is added for each.
"""


@dataclass(slots=True)
class Course:
    """One search under way: the question, who is asked what, and the statistics that weigh it."""

    search: Search
    pages: Pages
    plan: Plan
    started: float
    corpus: MergedCorpus
    versions: list[Version]
    epochs: dict[tuple[str, str], int]
    documents: Documents
    expected: Mapping[str, float]
    margin_s: float = 0.0
    waited_s: float = 0.0

    def left_s(self) -> float:
        """Of the caller's time, but for what folding will take; a millisecond at least."""
        left_s = self.search.timeout_ms / 1000 - (time.perf_counter() - self.started)
        return max(0.001, left_s - self.margin_s)

    def parts(self, answers: Answers) -> dict[str, float]:
        """Of the nodes that did not search all of their collections in time, the part of their documents they did."""
        cut = {node: one.left_out for node, (_, one) in answers.items() if one is not None and one.left_out}
        return {node: part_of(self.documents.get(node, {}), names) for node, names in cut.items()}


class Federation:
    """Searches the fleet."""

    def __init__(
        self, registry: Registry, presence: Presence, corpora: Corpora, rounds: Rounds,
        embedder: str = DEFAULT_EMBEDDER, *, max_parallel: int | None = None,
    ) -> None:  # fmt: skip
        self._registry, self._corpora = registry, corpora
        self.scatter = Scatter(rounds, presence, max_parallel=max_parallel)
        self._folding: dict[str, Pace] = defaultdict(Pace)
        self._under_way = 0
        self._embedder = embedder

    async def search(self, search: Search, asked: Search | None = None) -> Searched:
        """The one ranking, with a report for every node; `InvalidInput` and `NotFound` for what cannot be asked.

        `Unavailable` where no node may be missing (`partial="fail"`) and one is.

        `asked` is the question as the caller put it, where its scope made `search` of it: a cursor belongs to that.
        """
        started = time.perf_counter()
        check_search(search)
        pages = Pages(asked or search, self._embedder)
        self._under_way += 1
        try:
            course = await self._course(search, pages, started)
            return await self._search(course)
        finally:
            self._under_way -= 1

    async def _course(self, search: Search, pages: Pages, started: float) -> Course:
        nodes = candidates(search, self._registry)
        healthy = {node.name for node in nodes if self._registry.healthy(node.name)}
        chosen = plan(search, nodes, healthy, self._embedder)
        wanted = [key for key in chosen.keys if key[0] in chosen.asked and not self.scatter.breakers.is_open(key[0])]
        await self._corpora.ready(wanted, search.timeout_ms / 2000)
        known = self._corpora.epochs(chosen.keys) if search.explain else {}
        corpus, versions = self._corpora.merged(chosen.keys), self._corpora.versions(chosen.keys)
        documents = documents_of(search, nodes)
        return Course(
            search, pages, chosen, started, corpus, versions, known, documents, document_shares(documents),
            self._margin_s(search),
        )  # fmt: skip

    def _margin_s(self, search: Search) -> float:
        """Twice what folding such an answer usually takes: it has to be encoded as well."""
        pace = self._folding[search.dedup]
        usual_s = 2 * pace.usual if pace.known else FIRST_MARGIN_S
        return min(max(LEAST_MARGIN_S, usual_s) + EACH_S * self._under_way, MOST_MARGIN * search.timeout_ms / 1000)

    async def _search(self, course: Course) -> Searched:
        began = time.perf_counter()
        ask = weighted_ask(course.search, course.corpus, new_id(), self._embedder, course.left_s())
        ask = course.pages.continued(ask)
        answers = await self._answers(course, list(course.plan.asked), ask, course.left_s())
        hits, answers = await self._hits(course, ask, answers)
        told = _told(course, ask, fitting_sources(hits), answers)
        self._folding[course.search.dedup].took(time.perf_counter() - began - course.waited_s)
        return told

    async def _hits(self, course: Course, ask: SearchAsk, answers: Answers) -> tuple[list[Hit], Answers]:
        """The page, and the answers it is made of: to be without duplicates and full, more may have to be asked."""
        search = course.search
        if search.dedup != "off":
            alike = likeness(course.corpus) if search.dedup == "near" else None
            return await FullPage(search.limit, partial(self._answers, course), alike).fill(
                ask, answers, course.left_s()
            )
        found = {node: answer.hits for node, (_, answer) in answers.items() if answer}
        return fold_sorted(found, search.limit, search.sort) if search.sort else fold(found, search.limit), answers

    async def _answers(self, course: Course, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        search, began = course.search, time.perf_counter()
        manner = Manner(search.partial, search.max_parallel, course.expected)
        answers = await self.scatter.ask(nodes, ask, timeout_s, manner)
        course.waited_s += min(timeout_s, time.perf_counter() - began)
        return answers


def _told(course: Course, ask: SearchAsk, hits: list[Hit], answers: Answers) -> Searched:
    search, pages = course.search, course.pages
    reports = {**course.plan.reports, **{node: report for node, (report, _) in answers.items()}}
    if search.explain:
        explained = {node: answer for node, (_, answer) in answers.items()}
        reports = explained_reports(reports, course.plan, explained, course.epochs)
    came = [answer for _, answer in answers.values() if answer]
    more = any(one.more for one in came) or sum(len(one.hits) for one in came) > len(hits)
    more = more and search.dedup == "off" and not search.sort
    ordered = [replace(reports[name], expected=course.expected.get(name, 0.0)) for name in sorted(reports)]
    if search.partial == "fail":
        refuse_missing(ordered)
    return Searched(
        query=search.query, hits=hits, nodes=ordered, total=len(hits),
        took_ms=round((time.perf_counter() - course.started) * 1000, 3),
        partial=any(is_missing(report) for report in ordered),
        cursor=pages.following(ask, hits[-1], course.versions) if more and hits else None,
        changed=pages.changed(course.versions), facets=merged_facets(search.facets, came),
        coverage=coverage(ordered, course.parts(answers)),
    )  # fmt: skip
