"""Federated search: one round trip to the nodes, an exact merge, and the truth about who is missing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection

from fleetfold_broker.gather import Answer
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.search.corpora import Corpora
from fleetfold_master.search.facets import merged_facets
from fleetfold_master.search.fold import fold, fold_sorted
from fleetfold_master.search.question import check_search, plan, weighted_ask
from fleetfold_shared.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.fitting import fitting
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import NodeReport, Search, SearchAnswer, SearchAsk, Searched, decode, encode

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

    async def search(self, search: Search) -> Searched:
        """The one ranking, with a report for every node; `InvalidInput` and `NotFound` for what cannot be asked."""
        started = time.perf_counter()
        check_search(search)
        nodes = [self._registry.get(name) for name in dict.fromkeys(search.nodes)] or self._registry.all()
        healthy = {node.name for node in nodes if self._registry.healthy(node.name)}
        chosen = plan(search, nodes, healthy, self._embedder)
        timeout_s = search.timeout_ms / 1000
        await self._corpora.ready([key for key in chosen.keys if key[0] in chosen.asked], timeout_s / 2)
        left_s = max(0.001, timeout_s - (time.perf_counter() - started))
        ask = weighted_ask(search, self._corpora.merged(chosen.keys), new_id(), self._embedder, left_s)
        answers = await self._answers(list(chosen.asked), ask, left_s)
        reports = {**chosen.reports, **{node: report for node, (report, _) in answers.items()}}
        came = {node: answer for node, (_, answer) in answers.items() if answer}
        found = {node: answer.hits for node, answer in came.items()}
        hits = fitting(fold_sorted(found, search.limit, search.sort) if search.sort else fold(found, search.limit))
        ordered = [reports[name] for name in sorted(reports)]
        return Searched(
            query=search.query, hits=hits, nodes=ordered, total=len(hits),
            took_ms=round((time.perf_counter() - started) * 1000, 3),
            partial=any(report.status not in SETTLED for report in ordered),
            facets=merged_facets(search.facets, came.values()),
        )  # fmt: skip

    async def _answers(
        self, nodes: list[str], ask: SearchAsk, timeout_s: float
    ) -> dict[str, tuple[NodeReport, SearchAnswer | None]]:
        came = await self._gather("search", nodes, encode(ask), timeout_s)
        return {node: self._read(node, came.get(node)) for node in nodes}

    def _read(self, node: str, came: Answer | None) -> tuple[NodeReport, SearchAnswer | None]:
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
        self._presence.answered(node, came.ms)
        return NodeReport(node, answer.status, len(answer.hits), ms, answer.error, answer.exact), answer
