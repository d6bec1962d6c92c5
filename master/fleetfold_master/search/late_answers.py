"""Late answers: shard responses that arrive after their search; once complete, the merged answer is cached."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fleetfold_broker.rpc.scatter import LATE_S
from fleetfold_master.search.cache.query_cache import Cache
from fleetfold_master.search.merge.deduplicated_page import Answers
from fleetfold_master.search.merge.merge import fold_page
from fleetfold_master.search.merge.response import told
from fleetfold_master.search.plan.search_plan import SearchContext
from fleetfold_shared.messages import NodeReport, SearchAnswer, SearchAsk

__all__ = ["LateAnswers"]

MOST = 256
"""The most searches waited for; the oldest are dropped, and those for which no response can come any more."""


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A search that was answered without some nodes."""

    context: SearchContext
    key: str
    ask: SearchAsk
    answers: Answers
    missing: set[str]

    @property
    def seconds(self) -> float:
        """Seconds from its start within which a response may still arrive."""
        return self.context.search.timeout_ms / 1000 + LATE_S


class LateAnswers:
    """Waits for late responses, as long as the scatter delivers them. Only plain first pages are worth it."""

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._unfinished: dict[str, _Unfinished] = {}

    def expect(self, context: SearchContext, ask: SearchAsk, answers: Answers) -> None:
        """A search was answered; nodes that were too slow for it may still answer."""
        slow = {node for node, (report, _) in answers.items() if report.status in {"timeout", "open"}}
        if self._cache is None or context.key is None or not slow or not _is_plain(context):
            return
        self._unfinished[ask.request] = _Unfinished(context, context.key, ask, dict(answers), slow)
        self._forget_the_oldest()

    def came(self, ask: SearchAsk, node: str, answer: SearchAnswer) -> None:
        """Process a late response of a node."""
        waiting = self._unfinished.get(ask.request)
        if waiting is None or node not in waiting.missing or ask.query is not None:
            return  # its responses are candidates, which nothing rescores any more
        report = NodeReport(node, answer.status, len(answer.hits), error=answer.error, exact=answer.exact)
        waiting.answers[node] = report, answer
        waiting.missing.discard(node)
        if not waiting.missing:
            self._keep(self._unfinished.pop(ask.request))

    def _forget_the_oldest(self) -> None:
        """Drop the oldest searches, because they hold whole responses. `LATE_S` after its deadline a search gets
        none."""
        now = time.perf_counter()
        for request, waiting in list(self._unfinished.items()):
            if len(self._unfinished) <= MOST and now < waiting.context.started + waiting.seconds:
                break
            del self._unfinished[request]

    def _keep(self, finished: _Unfinished) -> None:
        context, answers = finished.context, finished.answers
        hits = fold_page(answers, context.search.limit, finished.ask.k)
        searched = told(context, finished.ask, hits, answers)
        assert self._cache is not None
        self._cache.complete(finished.key, searched, (time.perf_counter() - context.started) * 1000)


def _is_plain(context: SearchContext) -> bool:
    """Whether each node was asked once, with the same request."""
    search = context.search
    once = search.dedup == "off" and not search.sort and not context.holding.groups
    return once and not search.explain and search.cache != "off"
