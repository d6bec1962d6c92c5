"""Federated search: one round trip to the nodes, an exact merge, and the truth about who is missing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from msgspec.structs import replace

from fleetfold_broker.gather import Answer
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.search.corpora import Corpora
from fleetfold_master.search.explain import explained_reports
from fleetfold_master.search.facets import merged_facets
from fleetfold_master.search.fold import fold, fold_sorted
from fleetfold_master.search.fullpage import Again, Answers, FullPage
from fleetfold_master.search.holders import Holders
from fleetfold_master.search.likeness import likeness
from fleetfold_master.search.own import Own
from fleetfold_master.search.paging import Pages, Version
from fleetfold_master.search.question import Plan, candidates, check_search, plan, weighted_ask
from fleetfold_master.search.reading import read
from fleetfold_master.search.replicas import Choice
from fleetfold_master.search.sources import fitting_sources
from fleetfold_master.search.standins import Round
from fleetfold_master.store import StoredNode
from fleetfold_shared.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.ids import MASTER, new_id
from fleetfold_shared.messages import Hit, Search, SearchAsk, Searched, encode
from fleetfold_shared.statistics import MergedCorpus

__all__ = ["Federation"]

Gather = Callable[[str, Collection[str], bytes, float], Awaitable[dict[str, Answer]]]

SETTLED = frozenset({"ok", "no_collection", "not_selected"})
"""Statuses after which nothing is missing from the answer."""


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
    choice: Choice

    def left_s(self) -> float:
        """Of the caller's time; a millisecond at least."""
        return max(0.001, self.search.timeout_ms / 1000 - (time.perf_counter() - self.started))


class Federation:
    """Searches the fleet."""

    def __init__(
        self, registry: Registry, presence: Presence, corpora: Corpora, gather: Gather,
        embedder: str = DEFAULT_EMBEDDER, own: Own | None = None,
    ) -> None:  # fmt: skip
        self._registry, self._presence, self._corpora = registry, presence, corpora
        self._gather = gather if own is None else own.beside(gather)
        self._embedder, self._own = embedder, own
        self._holders = Holders(registry, presence, corpora)

    def nodes(self) -> list[StoredNode]:
        """All that can be searched: the nodes of the fleet, and the master's own collections as one of them."""
        return candidates(Search(query=""), self._registry, self._own_node())

    async def search(self, search: Search, asked: Search | None = None) -> Searched:
        """The one ranking, with a report for every node; `InvalidInput` and `NotFound` for what cannot be asked.

        `asked` is the question as the caller put it, where its scope made `search` of it: a cursor belongs to that.
        """
        started = time.perf_counter()
        check_search(search)
        pages = Pages(asked or search, self._embedder)
        course = await self._course(search, pages, started)
        return await self._search(course)

    def _own_node(self) -> StoredNode | None:
        return None if self._own is None else self._own.node()

    async def _course(self, search: Search, pages: Pages, started: float) -> Course:
        nodes = candidates(search, self._registry, self._own_node())
        healthy = {node.name for node in nodes if node.name == MASTER or self._registry.healthy(node.name)}
        chosen = plan(search, nodes, healthy, self._embedder)
        choice = self._holders.choice(chosen, nodes, search.query, pages.asked)
        wanted = [key for key in self._holders.counted(choice) if key[0] in chosen.asked]
        await self._corpora.ready(wanted, search.timeout_ms / 2000)
        known = self._corpora.epochs(chosen.keys) if search.explain else {}
        counted = self._holders.counted(choice)
        corpus, versions = self._corpora.merged(counted), self._corpora.versions(counted)
        return Course(search, pages, chosen, started, corpus, versions, known, choice)

    async def _search(self, course: Course) -> Searched:
        ask = weighted_ask(course.search, course.corpus, new_id(), self._embedder, course.left_s())
        ask = course.pages.continued(ask)
        round_ = Round(course.choice, self._answers, self._holders.patience_s, course.pages.asked)
        answers = await round_.ask(ask, course.left_s())
        course.choice = round_.choice
        hits, answers = await self._hits(course, ask, answers, round_.again)
        return _told(course, ask, fitting_sources(hits), answers)

    async def _hits(self, course: Course, ask: SearchAsk, answers: Answers, again: Again) -> tuple[list[Hit], Answers]:
        """The page, and the answers it is made of: to be without duplicates and full, more may have to be asked."""
        search = course.search
        if search.dedup != "off":
            alike = likeness(course.corpus) if search.dedup == "near" else None
            return await FullPage(search.limit, again, alike).fill(ask, answers, course.left_s())
        found = {node: answer.hits for node, (_, answer) in answers.items() if answer}
        return fold_sorted(found, search.limit, search.sort) if search.sort else fold(found, search.limit), answers

    async def _answers(self, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        came = await self._gather("search", nodes, encode(ask), timeout_s)
        answers = {node: read(node, came.get(node), ask.after) for node in nodes}
        for node, (_, answer) in answers.items():
            if answer is not None:
                self._presence.answered(node, came[node].ms)
        return answers


def _told(course: Course, ask: SearchAsk, hits: list[Hit], answers: Answers) -> Searched:
    search, pages, choice = course.search, course.pages, course.choice
    reports = {**course.plan.reports, **{node: report for node, (report, _) in answers.items()}}
    reports = course.choice.reports(reports)
    if search.explain:
        explained = {node: answer for node, (_, answer) in answers.items()}
        asked = replace(course.plan, asked=choice.asked)
        reports = explained_reports(reports, asked, explained, course.epochs)
    came = [answer for _, answer in answers.values() if answer]
    more = any(one.more for one in came) or sum(len(one.hits) for one in came) > len(hits)
    more = more and search.dedup == "off" and not search.sort
    ordered = [reports[name] for name in sorted(reports)]
    return Searched(
        query=search.query, hits=hits, nodes=ordered, total=len(hits),
        took_ms=round((time.perf_counter() - course.started) * 1000, 3),
        partial=any(one.status not in SETTLED and not choice.lacks_nothing(one.node, reports) for one in ordered),
        cursor=pages.following(ask, hits[-1], course.versions, choice.pins()) if more and hits else None,
        changed=pages.changed(course.versions), facets=merged_facets(search.facets, came),
    )  # fmt: skip
