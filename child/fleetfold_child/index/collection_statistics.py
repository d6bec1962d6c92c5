"""Term statistics of a collection, and their changes since a given epoch."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from fleetfold_shared.ids import new_id
from fleetfold_shared.messages.statistics_messages import StatisticsChunk, StatisticsRequest
from fleetfold_shared.text.term_statistics import MAX_CHUNK_BYTES, pack_terms

__all__ = ["Difference", "Statistics"]

_JSON_BYTES = 14  # of a term's quotes, colon, comma and number


@dataclass(slots=True)
class Difference:
    """Difference in the statistics by added and removed documents."""

    documents: int = 0
    length: int = 0
    dfs: Counter[str] = field(default_factory=Counter)

    def add(self, terms: list[str]) -> None:
        """Add a document with these terms."""
        self.documents += 1
        self.length += len(terms)
        self.dfs.update(set(terms))

    def remove(self, terms: list[str]) -> None:
        """Remove a document with these terms."""
        self.documents -= 1
        self.length -= len(terms)
        self.dfs.subtract(set(terms))


class Statistics:
    """Statistics of one collection: N, total length and df by term. A `Corpus`.

    Each change is an epoch; each term has the epoch of its last change, and a number that stays for the life of the
    process. So a delta is the numbers with a later epoch, in chunks that later changes cannot shift. A request with
    another `incarnation` gets everything, and must discard its former statistics.
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
        """Apply a difference as a new epoch."""
        self.epoch += 1
        self.documents += difference.documents
        self.length += difference.length
        for term, change in difference.dfs.items():
            if change:
                number = self._number(term)
                self._dfs[number] += change
                self._epochs[number] = self.epoch

    def delta(self, ask: StatisticsRequest, *, max_bytes: int = MAX_CHUNK_BYTES) -> StatisticsChunk:
        """Return the changes since `ask.since`, from term number `ask.offset` on: at most `max_bytes` of terms,
        uncompressed.
        """
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
        """Return the counts of the first of these term numbers, and the first number that no longer fits."""
        dfs: dict[str, int] = {}
        size = 0
        for number in numbers:
            if since == 0 and not self._dfs[number]:
                continue  # a full transfer needs no removed terms
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
