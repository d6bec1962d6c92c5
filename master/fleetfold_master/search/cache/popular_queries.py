"""Popular queries: a bounded table of how often each query was asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from fleetfold_master.search.cache.cache_key import question_key, same_question
from fleetfold_master.search.cache.cache_rows import PopularQueryRow
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Search, decode, encode

__all__ = ["CountedQuery", "PopularQueries"]

RETENTION_S = 7 * 86_400.0
"""Seconds after which a query that nobody asked is dropped."""
MOST_BYTES = 8192
"""Limit of a query's size in bytes: larger ones are not counted."""


@dataclass(slots=True)
class CountedQuery:
    """A query as narrowed by its caller's scope and as requested, without its time limit."""

    narrowed: Search
    asked: Search
    count: int
    asked_at: float


class PopularQueries:
    """The counts of about `most` queries; at twice as many, the least frequent are dropped."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock, self._most = clock, most
        self._questions: dict[str, CountedQuery] = {}
        self._changed = False

    def count(self, narrowed: Search, asked: Search) -> None:
        """Count a query. Further pages and explanations are not counted."""
        if asked.cursor is not None or asked.explain or not self._most:
            return
        key, now = question_key(narrowed, asked), self._clock.wall()
        known = self._questions.get(key)
        if known is None:
            known = self._questions[key] = CountedQuery(same_question(narrowed), same_question(asked), 0, now)
        known.count, known.asked_at, self._changed = known.count + 1, now, True
        if len(self._questions) >= 2 * self._most:
            self._cut()

    def best(self, limit: int) -> list[CountedQuery]:
        """The most frequent queries first; among equals the latest."""
        return sorted(self._questions.values(), key=lambda one: (-one.count, -one.asked_at))[:limit]

    def load(self, rows: Iterable[PopularQueryRow]) -> None:
        """Load an earlier master's counts; queries that are invalid in this version are skipped."""
        for row in rows:
            with contextlib.suppress(InvalidInput):
                narrowed, asked = decode(row.narrowed.encode(), Search), decode(row.asked.encode(), Search)
                self._questions[row.key] = CountedQuery(narrowed, asked, row.times, row.asked_at)

    def changes(self) -> list[PopularQueryRow] | None:
        """All counts to be stored; None if nothing changed since the last call."""
        if not self._changed:
            return None
        self._changed = False
        self._cut()
        rows = [_row(key, question) for key, question in self._questions.items()]
        return [row for row in rows if len(row.narrowed) + len(row.asked) <= 2 * MOST_BYTES]

    def _cut(self) -> None:
        oldest = self._clock.wall() - RETENTION_S
        retained = {id(one) for one in self.best(self._most) if one.asked_at >= oldest}
        self._questions = {key: one for key, one in self._questions.items() if id(one) in retained}


def _row(key: str, one: CountedQuery) -> PopularQueryRow:
    return PopularQueryRow(key, encode(one.narrowed).decode(), encode(one.asked).decode(), one.count, one.asked_at)
