"""Federated search: one round trip to the nodes, an exact merge, and the truth about who is missing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection

from fleetfold_broker.gather import Answer
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.search.corpora import Corpora
from fleetfold_master.search.explain import explained_reports
from fleetfold_master.search.facets import merged_facets
from fleetfold_master.search.fold import fold, fold_sorted
from fleetfold_master.search.fullpage import Answers, FullPage
from fleetfold_master.search.likeness import likeness
from fleetfold_master.search.paging import Pages, is_behind
from fleetfold_master.search.question import check_search, plan, weighted_ask
from fleetfold_master.search.sources import fitting_sources
from fleetfold_shared.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Hit, NodeReport, Place, Search, SearchAnswer, SearchAsk, Searched, decode, encode
from fleetfold_shared.statistics import MergedCorpus

__all__ = ["Federation"]

Gather = Callable[[str, Collection[str], bytes, float], Awaitable[dict[str, Answer]]]

SETTLED = frozenset({"ok", "no_collection", "not_selected"})
"""Statuses after which nothing is missing from the answer."""


class Federation:
    """Searches the fleet."""

    def __init__(
        self, registry: Registry, presence: Presence, corpora: Corpora, gather: Gather,
        embedder: str = DEFAULT_EMBEDDER,
    ) -> None:  # fmt: skip
        self._registry, self._presence, self._corpora, self._gather = registry, presence, corpora, gather
        self._embedder = embedder

    async def search(self, search: Search, asked: Search | None = None) -> Searched:
        """The one ranking, with a report for every node; `InvalidInput` and `NotFound` for what cannot be asked.

        `asked` is the question as the caller put it, where its scope made `search` of it: a cursor belongs to that.
        """
        started = time.perf_counter()
        check_search(search)
        pages = Pages(asked or search, self._embedder)
        nodes = [self._registry.get(name) for name in dict.fromkeys(search.nodes)] or self._registry.all()
        healthy = {node.name for node in nodes if self._registry.healthy(node.name)}
        chosen = plan(search, nodes, healthy, self._embedder)
        timeout_s = search.timeout_ms / 1000
        await self._corpora.ready([key for key in chosen.keys if key[0] in chosen.asked], timeout_s / 2)
        left_s = max(0.001, timeout_s - (time.perf_counter() - started))
        epochs, corpus = self._corpora.versions(chosen.keys), self._corpora.merged(chosen.keys)
        ask = pages.continued(weighted_ask(search, corpus, new_id(), self._embedder, left_s))
        known = self._corpora.epochs(chosen.keys) if search.explain else {}
        answers = await self._answers(list(chosen.asked), ask, left_s)
        if search.dedup == "off":
            found = {node: answer.hits for node, (_, answer) in answers.items() if answer}
            hits = fold_sorted(found, search.limit, search.sort) if search.sort else fold(found, search.limit)
        else:
            left_s = timeout_s - (time.perf_counter() - started)
            hits, answers = await self._without_duplicates(search, ask, answers, corpus, left_s)
        reports = {**chosen.reports, **{node: report for node, (report, _) in answers.items()}}
        if search.explain:
            reports = explained_reports(reports, chosen, {node: one for node, (_, one) in answers.items()}, known)
        came = [answer for _, answer in answers.values() if answer]
        hits = fitting_sources(hits)
        more = any(one.more for one in came) or sum(len(one.hits) for one in came) > len(hits)
        more = more and search.dedup == "off" and not search.sort
        ordered = [reports[name] for name in sorted(reports)]
        return Searched(
            query=search.query, hits=hits, nodes=ordered, total=len(hits),
            took_ms=round((time.perf_counter() - started) * 1000, 3),
            partial=any(report.status not in SETTLED for report in ordered),
            cursor=pages.following(ask, hits[-1], epochs) if more and hits else None, changed=pages.changed(epochs),
            facets=merged_facets(search.facets, came),
        )  # fmt: skip

    async def _without_duplicates(
        self, search: Search, ask: SearchAsk, answers: Answers, corpus: MergedCorpus, left_s: float
    ) -> tuple[list[Hit], Answers]:
        """A page that is full all the same, and the answers it is made of."""
        page = FullPage(search.limit, self._answers, likeness(corpus) if search.dedup == "near" else None)
        return await page.fill(ask, answers, left_s)

    async def _answers(self, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        came = await self._gather("search", nodes, encode(ask), timeout_s)
        return {node: self._read(node, came.get(node), ask.after) for node in nodes}

    def _read(self, node: str, came: Answer | None, after: Place | None) -> tuple[NodeReport, SearchAnswer | None]:
        if came is None:
            return NodeReport(node, "timeout", error="no answer before the deadline"), None
        ms = round(came.ms, 3)
        if came.error is not None:
            gone = came.error.code == "unavailable"
            return NodeReport(node, "unreachable" if gone else "error", ms=ms, error=came.error.message), None
        try:
            answer = decode(came.data, SearchAnswer)
        except InvalidInput as error:
            return NodeReport(node, "error", ms=ms, error=f"its answer is malformed: {error.message}"), None
        if after is not None and not all(is_behind(after, node, one) for one in answer.hits):
            return NodeReport(node, "error", ms=ms, error="it does not know cursors and began anew; upgrade it"), None
        self._presence.answered(node, came.ms)
        return NodeReport(node, answer.status, len(answer.hits), ms, answer.error, exact=answer.exact), answer
