"""A collection's term statistics, and what changed in them since somebody last asked."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from fleetfold_shared.ids import new_id
from fleetfold_shared.messages.statistics_messages import StatisticsAsk, StatisticsChunk
from fleetfold_shared.text.term_statistics import MAX_CHUNK_BYTES, pack_terms

__all__ = ["Difference", "Statistics"]

_JSON_BYTES = 14  # of a term's quotes, colon, comma and number


@dataclass(slots=True)
class Difference:
    """What some documents add to the statistics, and others take away."""

    documents: int = 0
    length: int = 0
    dfs: Counter[str] = field(default_factory=Counter)

    def add(self, terms: list[str]) -> None:
        """One document of these terms comes."""
        self.documents += 1
        self.length += len(terms)
        self.dfs.update(set(terms))

    def remove(self, terms: list[str]) -> None:
        """One document of these terms goes."""
        self.documents -= 1
        self.length -= len(terms)
        self.dfs.subtract(set(terms))


class Statistics:
    """N, total length and term -> df of one collection. A `Corpus`.

    Each change is an epoch; each term remembers the epoch of its last change and keeps its number for the life of
    the process. So a delta is the numbers with a later epoch, in chunks that no change can shift. An `incarnation`
    that is not ours has another numbering: it gets everything, and is told to forget.
    """

    def __init__(self, incarnation: str | None = None) -> None:
        self.incarnation = incarnation or new_id()
        self.epoch = 0
        self.documents = 0
        self.length = 0
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._dfs = array("q")
        self._epochs = array("q")

    def df(self, term: str) -> int:
        number = self._numbers.get(term)
        return self._dfs[number] if number is not None else 0

    def apply(self, difference: Difference) -> None:
        """Take in a change, as a new epoch."""
        self.epoch += 1
        self.documents += difference.documents
        self.length += difference.length
        for term, change in difference.dfs.items():
            if change:
                number = self._number(term)
                self._dfs[number] += change
                self._epochs[number] = self.epoch

    def delta(self, ask: StatisticsAsk, *, max_bytes: int = MAX_CHUNK_BYTES) -> StatisticsChunk:
        """What changed since `ask.since`, from number `ask.offset` on: at most `max_bytes` of terms, uncompressed."""
        full = ask.incarnation != self.incarnation
        since, offset = (0, 0) if full else (ask.since, ask.offset)
        dfs, next_offset = self._page(self._changed(since, offset), since, max_bytes)
        return StatisticsChunk(
            incarnation=self.incarnation,
            epoch=self.epoch,
            documents=self.documents,
            length=self.length,
            full=full,
            terms=pack_terms(dfs),
            next_offset=next_offset,
        )

    def _changed(self, since: int, offset: int) -> list[int]:
        epochs = np.array(self._epochs[offset:], dtype=np.int64)
        changed: list[int] = (np.flatnonzero(epochs > since) + offset).tolist()
        return changed

    def _page(self, numbers: Iterable[int], since: int, max_bytes: int) -> tuple[dict[str, int], int | None]:
        """The counts of the first of these numbers, and the number that no longer fits in."""
        dfs: dict[str, int] = {}
        size = 0
        for number in numbers:
            if since == 0 and not self._dfs[number]:
                continue  # who knows nothing yet need not be told what is gone
            name = self._names[number]
            size += len(name.encode()) + _JSON_BYTES
            if size > max_bytes and dfs:
                return dfs, number
            dfs[name] = self._dfs[number]
        return dfs, None

    def _number(self, term: str) -> int:
        number = self._numbers.setdefault(term, len(self._names))
        if number == len(self._names):
            self._names.append(term)
            self._dfs.append(0)
            self._epochs.append(0)
        return number
