"""The deduplicated page: nodes are asked for more hits than shown, and again if duplicates leave the page short."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from msgspec.structs import replace

from fleetfold_master.search.merge.deduplication import Alike, Candidate, distinct
from fleetfold_master.search.merge.merge import merge
from fleetfold_master.search.shard_response import Came
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Fingerprints, Hit, SearchAsk

__all__ = ["Again", "Answers", "DeduplicatedPage", "asked_for"]

Answers = dict[str, Came]
"""By node: its report, and its shard response."""
Again = Callable[[list[str], SearchAsk, float], Awaitable[Answers]]

_MORE = 4  # factor for each further round
_MAX_K = 400  # limit with which they and their fingerprints fit into one message
_LEAST_S = 0.01  # with less time left, nodes are not asked again
_UNMARKED = Fingerprints()


def asked_for(limit: int) -> int:
    """How many hits to request of each node at first; docs/explanation/duplicates.md says how often that is enough."""
    return min(2 * limit, _MAX_K)


class DeduplicatedPage:
    """Asks until `limit` distinct hits are found, the nodes have no more, or the time is over.

    `again` asks nodes once more, for at most so many seconds.
    """

    def __init__(self, limit: int, again: Again, alike: Alike | None) -> None:
        self._limit, self._again, self._alike = limit, again, alike

    async def fill(self, ask: SearchAsk, answers: Answers, left_s: float) -> tuple[list[Hit], Answers]:
        """The hits, best first, and the responses they are from. `ask` is the request that `answers` answer.

        When the time is over, the page is shorter rather than wrong: nothing is shown below a node's last known
        hit.
        """
        until = time.perf_counter() + left_s
        depth = dict.fromkeys(answers, ask.k)
        while True:
            cut = [node for node, (_, answer) in answers.items() if answer and len(answer.hits) >= depth[node]]
            hits = await self._best(answers, cut)
            left_s = until - time.perf_counter()
            if len(hits) >= self._limit or not cut or ask.k >= _MAX_K or left_s < _LEAST_S:
                return hits, answers
            k = min(_MORE * ask.k, _MAX_K)
            ask = replace(ask, request=new_id(), k=k, deadline_ms=max(1, round(left_s * 1000)))
            newer = {node: came for node, came in (await self._again(cut, ask, left_s)).items() if _is_sound(came)}
            answers = answers | {node: _added(answers[node], came) for node, came in newer.items()}
            depth |= dict.fromkeys(newer, k)

    async def _best(self, answers: Answers, cut: Collection[str]) -> list[Hit]:
        """Called in a thread, because comparing texts takes 0.05 ms each."""
        if self._alike is None:
            return _best(answers, cut, self._limit, None)
        return await asyncio.to_thread(_best, answers, cut, self._limit, self._alike)


def _is_sound(came: Came) -> bool:
    return came[1] is not None and came[1].status == "ok"


def _added(before: Came, came: Came) -> Came:
    """A later response in place of an earlier one; its time is the sum of both."""
    return replace(came[0], ms=round((before[0].ms or 0.0) + (came[0].ms or 0.0), 3)), came[1]


def _best(answers: Answers, cut: Collection[str], limit: int, alike: Alike | None) -> list[Hit]:
    """The best distinct hits, down to the last hit of the first node that was `cut` short."""
    came = {node: answer.hits for node, (_, answer) in answers.items() if answer}
    marks = {(node, one.collection, one.id): one.marks or _UNMARKED for node, hits in came.items() for one in hits}
    ranked = [
        Candidate(hit, marks[hit.node, hit.collection, hit.id]) for hit in merge(came, sum(map(len, came.values())))
    ]
    last = {candidate.hit.node: place for place, candidate in enumerate(ranked)}
    horizon = min((last[node] for node in cut), default=len(ranked))
    return [hit for place, hit in distinct(ranked, limit, alike) if place <= horizon]
