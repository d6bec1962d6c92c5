"""Facets: how many documents have each value of a field. A node counts, the master adds up, both with a `Tally`."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.criteria import FacetCounts, Value, ValueCount
from fleetfold_shared.query.field_values import NOTHING, check_field, kind_of, plain
from fleetfold_shared.query.sorting import SCORE

__all__ = ["MAX_COUNTED", "MAX_FACETS", "MAX_FACET_BYTES", "Tally", "check_facets", "fitting_counts"]

MAX_FACETS = 10
MAX_COUNTED = 1000
"""So many values of a field a node tells at most, the most frequent ones."""
MAX_FACET_BYTES = 192 * 1024
"""What the facets of one answer may take, beside its hits; each field has an equal share."""

Key = tuple[int, Any]
"""A value's kind and its plain value."""


def check_facets(fields: Sequence[str]) -> None:
    """`InvalidInput` naming the facet that is wrong: `facets[1]`."""
    if len(fields) > MAX_FACETS:
        raise InvalidInput(f"facets: {len(fields)} fields are too many; ask for at most {MAX_FACETS}", field="facets")
    for place, name in enumerate(fields):
        path = f"facets[{place}]"
        check_field(name, path)
        if name == SCORE:
            raise InvalidInput(f"{path}: {SCORE!r} is not a field; it is a key to sort by", field=path)
        if name in fields[:place]:
            raise InvalidInput(f"{path}: {name!r} is asked for already; ask once", field=path)


class Tally:
    """The counts of one field. True and 1 are two values, 1 and 1.0 are one; a text is its first characters."""

    def __init__(self) -> None:
        self.missing = 0
        self._counts: dict[Key, int] = {}

    @property
    def distinct(self) -> int:
        """How many values there are."""
        return len(self._counts)

    def count(self, found: Iterable[Any]) -> None:
        """Count documents, each by what it has in the field: a list is all of its members, each of them once."""
        spelt = _Spelling()
        for value in found:
            if value.__class__ is list:
                self._add_all({spelt[member.__class__, member] for member in value if kind_of(member) != NOTHING})
            elif kind_of(value) != NOTHING:
                self._add(spelt[value.__class__, value], 1)
            else:
                self.missing += 1

    def add(self, value: Any, documents: int) -> None:
        """Count so many documents that have a scalar in the field."""
        self._add(_key(value), documents)

    def merge(self, other: Tally) -> None:
        """Count what `other` has counted."""
        self.missing += other.missing
        for key, documents in other._counts.items():
            self._add(key, documents)

    def most(self, limit: int) -> list[tuple[Value, int]]:
        """The most frequent values, ties by kind and value."""
        first = heapq.nsmallest(limit, self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [(value, documents) for (_, value), documents in first]

    def _add_all(self, keys: Collection[Key]) -> None:
        for key in keys:
            self._add(key, 1)
        self.missing += not keys

    def _add(self, key: Key, documents: int) -> None:
        self._counts[key] = self._counts.get(key, 0) + documents


def fitting_counts(tallies: Sequence[tuple[str, Tally]]) -> list[FacetCounts]:
    """The facets as they travel: the most frequent values of each field, as many as the bounds allow."""
    share = MAX_FACET_BYTES // max(1, len(tallies))
    facets: list[FacetCounts] = []
    for name, tally in tallies:
        values = _within([ValueCount(*counted) for counted in tally.most(MAX_COUNTED)], share)
        facets.append(FacetCounts(name, values, tally.missing, len(values) < tally.distinct))
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


class _Spelling(dict[tuple[type, Any], Key]):
    """The keys of values, by type and value: most come many times."""

    def __missing__(self, typed: tuple[type, Any]) -> Key:
        key = self[typed] = _key(typed[1])
        return key
