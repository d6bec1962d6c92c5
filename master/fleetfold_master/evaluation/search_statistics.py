"""Search statistics: searches, and those without hits, by day, for the fleet, each node and each collection.

Counted in memory and added to the store a moment later; counts not yet written are lost in a crash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from fleetfold_master.evaluation.evaluation_rows import StoredCount, counted, older
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.messages import Search, Searched

__all__ = ["DAY_S", "FLEET", "SearchStatistics"]

DAY_S = 86_400
FLEET = ("", "")
"""Stands for the whole fleet."""

Collections = Callable[[str], Sequence[str]]
"""The names of a node's collections."""
_Place = tuple[int, str, str]


class SearchStatistics:
    """Counts searches; `save` writes counts, `prune` deletes those older than `retention_days`, and such clicks."""

    def __init__(self, store: Store, clock: Clock, retention_days: int) -> None:
        self._store, self._clock, self._retention_days = store, clock, retention_days
        self._searches: Counter[_Place] = Counter()
        self._empty: Counter[_Place] = Counter()

    def searched(self, ask: Search, found: Searched, collections: Collections) -> None:
        """Count a search's first page.

        A node counts if it answered in full (`ok`), as without hits if it returned none; the whole fleet if no node
        is missing. A collection counts if it was the only one asked of its node: of several, the answer does not
        tell which had no hits.
        """
        if ask.cursor is not None:
            return
        day = int(self._clock.wall() // DAY_S)
        if not found.partial:
            self._count(day, FLEET, empty=not found.hits)
        for report in found.nodes:
            if report.status == "ok":
                self._count(day, (report.node, ""), empty=not report.count)
                if len(asked := _asked(collections(report.node), ask.collections)) == 1:
                    self._count(day, (report.node, asked[0]), empty=not report.count)

    async def save(self) -> None:
        """A periodic task: add the counts to the store; on failure they are kept for the next call."""
        searches, empty = self._searches, self._empty
        self._searches, self._empty = Counter(), Counter()
        try:
            for day in sorted({day for day, _, _ in searches}):
                places = [place for place in searches if place[0] == day]
                counts = [StoredCount(*place[1:], searches.pop(place), empty.pop(place, 0)) for place in places]
                await self._write(day, counts)
        finally:
            self._searches.update(searches)
            self._empty.update(empty)

    async def prune(self) -> None:
        """A periodic task: delete what is older than the retention time."""
        now = self._clock.wall()
        await self._store.write(*older(now - self._retention_days * DAY_S, int(now // DAY_S) - self._retention_days))

    async def _write(self, day: int, counts: list[StoredCount]) -> None:
        try:
            await self._store.write(*counted(day, counts))
        except BaseException:
            self._searches.update({(day, one.node, one.collection): one.searches for one in counts})
            self._empty.update({(day, one.node, one.collection): one.empty for one in counts})
            raise

    def _count(self, day: int, place: tuple[str, str], *, empty: bool) -> None:
        self._searches[day, *place] += 1
        self._empty[day, *place] += empty


def _asked(there: Iterable[str], wanted: Sequence[str]) -> list[str]:
    return [name for name in there if not wanted or name in wanted]
