"""The deduplicated page: nodes are asked for more hits than shown, and again if duplicates leave the page short."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from msgspec.structs import replace

from fleetfold_master.search.merge.deduplication import Alike, Candidate, distinct
from fleetfold_master.search.merge.merge import merge
from fleetfold_master.search.plan.shard_request import MOST_K
from fleetfold_master.search.shard_response import ShardResponse, ShardResponses
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Fingerprints, Hit, SearchRequest

__all__ = ["Again", "DeduplicatedPage"]

Again = Callable[[list[str], SearchRequest, float], Awaitable[ShardResponses]]
"""Asks nodes once more, for at most so many seconds."""

_MORE = 4  # factor for each further round
_LEAST_S = 0.01  # with less time left, nodes are not asked again
_UNMARKED = Fingerprints()


class DeduplicatedPage:
    """Asks until `limit` distinct hits are found, the nodes have no more, or the time is over."""

    def __init__(self, limit: int, again: Again, alike: Alike | None) -> None:
        self._limit, self._again, self._alike = limit, again, alike

    async def fill(
        self, ask: SearchRequest, responses: ShardResponses, left_s: float
    ) -> tuple[list[Hit], ShardResponses]:
        """The hits, best first, and the responses they are from. `ask` is the request that `responses` answer.

        When the time is over, the page is shorter rather than wrong: nothing is shown below a node's last known
        hit.
        """
        until = time.perf_counter() + left_s
        depth = dict.fromkeys(responses, ask.k)
        while True:
            cut = [node for node, (_, answer) in responses.items() if answer and len(answer.hits) >= depth[node]]
            best = partial(_best, responses, cut, self._limit, self._alike)
            hits = best() if self._alike is None else await asyncio.to_thread(best)  # 0.05 ms for each comparison
            left_s = until - time.perf_counter()
            if len(hits) >= self._limit or not cut or ask.k >= MOST_K or left_s < _LEAST_S:
                return hits, responses
            k = min(_MORE * ask.k, MOST_K)
            ask = replace(ask, request=new_id(), k=k, deadline_ms=max(1, round(left_s * 1000)))
            newer = {node: one for node, one in (await self._again(cut, ask, left_s)).items() if _is_usable(one)}
            responses = responses | {node: _in_place_of(responses[node], one) for node, one in newer.items()}
            depth |= dict.fromkeys(newer, k)


def _is_usable(later: ShardResponse) -> bool:
    return later.answer is not None and later.answer.status == "ok"


def _in_place_of(earlier: ShardResponse, later: ShardResponse) -> ShardResponse:
    """A later response in place of an earlier one; its time is the sum of both."""
    ms = round((earlier.report.ms or 0.0) + (later.report.ms or 0.0), 3)
    return later._replace(report=replace(later.report, ms=ms))


def _best(responses: ShardResponses, cut: Collection[str], limit: int, alike: Alike | None) -> list[Hit]:
    """The best distinct hits, down to the last hit of the first node that was `cut` short."""
    found = {node: answer.hits for node, (_, answer) in responses.items() if answer}
    marks = {(node, one.collection, one.id): one.marks or _UNMARKED for node, hits in found.items() for one in hits}
    merged = merge(found, sum(map(len, found.values())))
    ranked = [Candidate(hit, marks[hit.node, hit.collection, hit.id]) for hit in merged]
    last = {candidate.hit.node: place for place, candidate in enumerate(ranked)}
    horizon = min((last[node] for node in cut), default=len(ranked))
    return [hit for place, hit in distinct(ranked, limit, alike) if place <= horizon]
