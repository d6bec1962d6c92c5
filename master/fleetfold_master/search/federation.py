"""Federated search: one round trip to the nodes, an exact merge, and the truth about who is missing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from fleetfold_broker.gather import Answer
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.search.cache import SETTLED, Cache, Wanted
from fleetfold_master.search.cache_epochs import Epochs
from fleetfold_master.search.cache_key import answer_key
from fleetfold_master.search.choosing import Choice, choose
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
from fleetfold_master.search.question import MOST_QUERY_CHARS, Plan, candidates, check_search, plan, weighted_ask
from fleetfold_master.search.reading import read
from fleetfold_master.search.sources import fitting_sources
from fleetfold_master.search.strangers import THEIR_SHARE, candidates_ask, scored_anew
from fleetfold_shared.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Hit, Search, SearchAsk, Searched
from fleetfold_shared.statistics import MergedCorpus

__all__ = ["Federation"]

LEAST_MARGIN_S, FIRST_MARGIN_S, EACH_S, MOST_MARGIN = 0.002, 0.03, 0.002, 0.25
"""Of its time a search keeps back what folding usually takes: at least so much, and at most a quarter of all.


@dataclass(slots=True)
class Course:
    """One search under way: the question, who is asked what, and the statistics that weigh it.

    `key` is what the answer may be kept under.
    """

    search: Search
    pages: Pages
    plan: Plan
    started: float
    corpus: MergedCorpus
    versions: list[Version]
    epochs: dict[tuple[str, str], int]
    choice: Choice
    key: str | None = None

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
        self, registry: Registry, presence: Presence, corpora: Corpora, gather: Gather,
        embedder: str = DEFAULT_EMBEDDER, cache: Cache | None = None, told: Epochs | None = None,
    ) -> None:  # fmt: skip
        self._registry, self._corpora = registry, corpora
        self.scatter = Scatter(rounds, presence, max_parallel=max_parallel)
        self._folding: dict[str, Pace] = defaultdict(Pace)
        self._under_way = 0
        self._embedder = embedder
        self._cache, self._told = cache, told or Epochs()

    async def search(self, search: Search, asked: Search | None = None) -> Searched:
        """The one ranking, with a report for every node; `InvalidInput` and `NotFound` for what cannot be asked.

        `Unavailable` where no node may be missing (`partial="fail"`) and one is.

        `asked` is the question as the caller put it, where its scope made `search` of it: a cursor belongs to that.
        """
        started = time.perf_counter()
        check_search(search)
        pages = Pages(asked or search, self._embedder)
        course = await self._course(search, pages, started, asked or search)
        if self._cache is None:
            return await self._search(course)
        wanted = Wanted(search, course.key, started)
        return await self._cache.answer(wanted, lambda: self._keepable(course, asked or search))

    async def _keepable(self, course: Course, asked: Search) -> tuple[str | None, Searched]:
        """The answer, and what it may be kept under: nothing, if what it depends on has changed meanwhile."""
        key = self._key(course.search, asked, course.plan) if course.key is not None else None
        searched = await self._search(course)
        return key if key == course.key else None, searched

    def _key(self, search: Search, asked: Search, chosen: Plan) -> str | None:
        if self._cache is None or not self._cache.enabled:
            return None
        nodes = candidates(search, self._registry)
        healthy = {node.name for node in nodes if self._registry.healthy(node.name)}
        versions = self._corpora.versions(chosen.keys)
        return answer_key(search, asked, nodes, healthy, self._told, versions, self._embedder)

    async def _course(self, search: Search, pages: Pages, started: float, asked: Search) -> Course:
        nodes = candidates(search, self._registry)
        healthy = {node.name for node in nodes if self._registry.healthy(node.name)}
        chosen = plan(search, nodes, healthy, self._embedder)
        key = self._key(search, asked, chosen)
        wanted = [key for key in chosen.keys if key[0] in chosen.asked]
        await self._corpora.ready(wanted, search.timeout_ms / 2000)
        known = self._corpora.epochs(chosen.keys) if search.explain else {}
        corpus, versions = self._corpora.merged(chosen.keys), self._corpora.versions(chosen.keys) + chosen.uncounted
        choice = choose(search, chosen, nodes, self._corpora, self._embedder, pages.nodes)
        return Course(search, pages, choice.narrowed(chosen), started, corpus, versions, known, choice, key)

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
        strange = [node for node in nodes if node in course.plan.strangers]
        if not strange:
            return await self._asked(nodes, ask, timeout_s)
        own = [node for node in nodes if node not in course.plan.strangers]
        both = await asyncio.gather(self._asked(own, ask, timeout_s), self._rescored(course, strange, ask, timeout_s))
        return both[0] | both[1]

    async def _rescored(self, course: Course, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        """The answers of nodes of another analyzer or embedder, scored here."""
        until, theirs_s = time.perf_counter() + timeout_s, THEIR_SHARE * timeout_s
        theirs = candidates_ask(ask, course.search.query[:MOST_QUERY_CHARS], theirs_s)
        came = await self._asked(nodes, theirs, theirs_s)
        alphas: dict[str, dict[str, float]] = {node: {} for node in nodes}
        for (node, collection), alpha in course.plan.alphas.items():
            alphas.setdefault(node, {})[collection] = alpha
        return await scored_anew(came, ask, alphas, until - time.perf_counter())

    async def _asked(self, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        came = await self._gather("search", nodes, encode(ask), timeout_s)
        answers = {node: read(node, came.get(node), ask.after) for node in nodes}
        for node, (_, answer) in answers.items():
            if answer is not None:
                self._presence.answered(node, came[node].ms)
        return answers


def _following(course: Course, ask: SearchAsk, hits: list[Hit]) -> str:
    return course.pages.following(ask, hits[-1], course.versions, course.plan.alphas, course.choice.nodes)


def _told(course: Course, ask: SearchAsk, hits: list[Hit], answers: Answers) -> Searched:
    search, pages = course.search, course.pages
    reports = {**course.plan.reports, **{node: report for node, (report, _) in answers.items()}}
    reports = course.choice.told(reports)
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
        partial=any(report.status not in SETTLED for report in ordered),
        cursor=_following(course, ask, hits) if more and hits else None,
        changed=pages.changed(course.versions, course.plan.alphas), facets=merged_facets(search.facets, came),
    )  # fmt: skip
