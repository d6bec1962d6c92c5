"""Facet counts: the number of documents for each value of a field. Nodes count and the master adds up, both with a
`FacetCounter`.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search_criteria import FacetCounts, Value, ValueCount
from fleetfold_shared.query.sorting import SCORE
from fleetfold_shared.query.value_normalisation import NOTHING, check_field, kind_of, plain

__all__ = ["MAX_COUNTED", "MAX_FACETS", "MAX_FACET_BYTES", "FacetCounter", "check_facets", "fitting_counts"]

MAX_FACETS = 10
MAX_COUNTED = 1000
"""Most values of a field that a node sends, the most frequent ones."""
MAX_FACET_BYTES = 192 * 1024
"""Most bytes of the facets in one answer, in addition to its hits; each field has an equal share."""

Key = tuple[int, Any]
"""Key of a value: its kind and its plain value."""


def check_facets(fields: Sequence[str]) -> None:
    """Raise `InvalidInput` for the facet that is wrong: `facets[1]`."""
    if len(fields) > MAX_FACETS:
        raise InvalidInput(f"facets: {len(fields)} fields are too many; ask for at most {MAX_FACETS}", field="facets")
    for place, name in enumerate(fields):
        path = f"facets[{place}]"
        check_field(name, path)
        if name == SCORE:
            raise InvalidInput(f"{path}: {SCORE!r} is not a field; it is a key to sort by", field=path)
        if name in fields[:place]:
            raise InvalidInput(f"{path}: {name!r} is asked for already; ask once", field=path)


class FacetCounter:
    """Counts of one field's values. True and 1 are two values, 1 and 1.0 are one; a text counts by its first
    `MAX_VALUE_CHARS` characters.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._counts: dict[Key, int] = {}

    @property
    def distinct(self) -> int:
        """Number of different values."""
        return len(self._counts)

    def count(self, found: Iterable[Any]) -> None:
        """Count documents by their values in the field: a list counts for each of its members, once."""
        keys = _KeyCache()
        for value in found:
            if value.__class__ is list:
                self._add_all({keys[member.__class__, member] for member in value if kind_of(member) != NOTHING})
            elif kind_of(value) != NOTHING:
                self._add(keys[value.__class__, value], 1)
            else:
                self.missing += 1

    def add(self, value: Any, documents: int) -> None:
        """Add `documents` that have this scalar in the field."""
        self._add(_key(value), documents)

    def add_missing(self, documents: int) -> None:
        """Add `documents` without a value in the field."""
        self.missing += documents

    def merge(self, other: FacetCounter) -> None:
        """Add the counts of `other`."""
        self.missing += other.missing
        for key, documents in other._counts.items():
            self._add(key, documents)

    def most(self, limit: int) -> list[tuple[Value, int]]:
        """Return the `limit` most frequent values with their counts, ties by kind and value."""
        first = heapq.nsmallest(limit, self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [(value, documents) for (_, value), documents in first]

    def _add_all(self, keys: Collection[Key]) -> None:
        for key in keys:
            self._add(key, 1)
        self.missing += not keys

    def _add(self, key: Key, documents: int) -> None:
        self._counts[key] = self._counts.get(key, 0) + documents


def fitting_counts(counters: Sequence[tuple[str, FacetCounter]]) -> list[FacetCounts]:
    """Return the facets for a message: the most frequent values of each field, as many as the limits allow."""
    share = MAX_FACET_BYTES // max(1, len(counters))
    facets: list[FacetCounts] = []
    for name, counter in counters:
        values = _within([ValueCount(*counted) for counted in counter.most(MAX_COUNTED)], share)
        facets.append(FacetCounts(name, values, counter.missing, len(values) < counter.distinct))
    return facets


def _within(values: list[ValueCount], share: int) -> list[ValueCount]:
    if len(msgspec.json.encode(values)) <= share:
        return values
    left = share
    for place, value in enumerate(values):
        left -= len(msgspec.json.encode(value)) + 1  # and a comma
        if left < 0:
            return values[:place]
    return values


def _key(value: Any) -> Key:
    return kind_of(value), plain(value)


class _KeyCache(dict[tuple[type, Any], Key]):
    """Cache of keys by type and value: most values occur many times."""

    def __missing__(self, typed: tuple[type, Any]) -> Key:
        key = self[typed] = _key(typed[1])
        return key
