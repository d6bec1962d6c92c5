"""Answers that come when their search has gone on without them: once all are there, the whole answer is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fleetfold_broker.rpc.scatter import LATE_S
from fleetfold_master.search.cache import Cache
from fleetfold_master.search.deduplicated_page import Answers
from fleetfold_master.search.merge import fold_page
from fleetfold_master.search.response import told
from fleetfold_master.search.search_context import SearchContext
from fleetfold_shared.messages import NodeReport, SearchAnswer, SearchAsk

__all__ = ["LateAnswers"]

MOST = 256
"""So many searches at a time; the oldest are forgotten, and those that nobody is told of any more."""


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A search that was answered without some nodes."""

    course: SearchContext
    key: str
    ask: SearchAsk
    answers: Answers
    missing: set[str]

    @property
    def seconds(self) -> float:
        """How long after its start an answer may still come."""
        return self.course.search.timeout_ms / 1000 + LATE_S


class LateAnswers:
    """Waits for them, as long as the scatter tells of them. Only the plain first page is worth it."""

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._unfinished: dict[str, _Unfinished] = {}

    def expect(self, course: SearchContext, ask: SearchAsk, answers: Answers) -> None:
        """A search has been answered; from whoever was too slow for it an answer may still come."""
        slow = {node for node, (report, _) in answers.items() if report.status in {"timeout", "open"}}
        if self._cache is None or course.key is None or not slow or not _is_plain(course):
            return
        self._unfinished[ask.request] = _Unfinished(course, course.key, ask, dict(answers), slow)
        self._forget_the_oldest()

    def came(self, ask: SearchAsk, node: str, answer: SearchAnswer) -> None:
        """A node has answered late."""
        waiting = self._unfinished.get(ask.request)
        if waiting is None or node not in waiting.missing or ask.query is not None:
            return  # what was asked with its query are candidates, which nobody scores any more
        report = NodeReport(node, answer.status, len(answer.hits), error=answer.error, exact=answer.exact)
        waiting.answers[node] = report, answer
        waiting.missing.discard(node)
        if not waiting.missing:
            self._keep(self._unfinished.pop(ask.request))

    def _forget_the_oldest(self) -> None:
        """They hold whole answers. Later than `LATE_S` after its deadline no answer is told of."""
        now = time.perf_counter()
        for request, waiting in list(self._unfinished.items()):
            if len(self._unfinished) <= MOST and now < waiting.course.started + waiting.seconds:
                break
            del self._unfinished[request]

    def _keep(self, finished: _Unfinished) -> None:
        course, answers = finished.course, finished.answers
        hits = fold_page(answers, course.search.limit, finished.ask.k)
        searched = told(course, finished.ask, hits, answers)
        assert self._cache is not None
        self._cache.complete(finished.key, searched, (time.perf_counter() - course.started) * 1000)


def _is_plain(course: SearchContext) -> bool:
    """Whether each node was asked once, and the same as all others."""
    search = course.search
    once = search.dedup == "off" and not search.sort and not course.holding.groups
    return once and not search.explain and search.cache != "off"
