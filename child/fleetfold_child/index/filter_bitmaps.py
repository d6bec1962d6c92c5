"""Filter bitmaps: a filter applied to all documents of a segment at once, equal to `filters.predicate` on each."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.index.doc_values import EXACT, NOWHERE, Column, Columns
from fleetfold_shared.messages.search_criteria import Filter
from fleetfold_shared.query.predicates import ORDER, document_value, value_test
from fleetfold_shared.query.value_normalisation import MAX_VALUE_CHARS, kind_of, plain

__all__ = ["bitmap", "fields_of"]

Bitmap = NDArray[np.bool_]


def bitmap(columns: Columns, given: Filter) -> Bitmap:
    """Return for each document (n,) whether it passes a checked filter."""
    if given.field is not None:
        column = columns[given.field]
        return _entries(column, given)[column.codes]
    every = [bitmap(columns, part) for part in given.all or ()]
    some = [bitmap(columns, part) for part in given.any or ()]
    every += [reduce(np.logical_or, some)] if some else []
    every += [~bitmap(columns, part) for part in given.none or ()]
    return reduce(np.logical_and, every)


def fields_of(given: Filter) -> Iterator[str]:
    """Yield the fields that a filter tests, with repetitions."""
    if given.field is not None:
        yield given.field
    for part in (*(given.all or ()), *(given.any or ()), *(given.none or ())):
        yield from fields_of(part)


def _entries(column: Column, given: Filter) -> Bitmap:
    """Return for each entry (e,) of the column whether it passes the test."""
    wanted = document_value(given)
    match given.op:
        case "eq":
            return _equal(column, [wanted])
        case "ne":
            return ~_equal(column, [wanted])
        case "in":
            return _equal(column, wanted)
        case "contains":
            return _contains(column, given, wanted)
        case "exists":
            return _tried(column, given)
    numbers = column.numbers
    if isinstance(wanted, str) or numbers is None or abs(wanted) > EXACT:
        return _tried(column, given)
    # what is no number is NaN: false in any order
    return np.asarray(ORDER[given.op](numbers, float(wanted)), dtype=np.bool_)


def _equal(column: Column, wanted: list[Any]) -> Bitmap:
    found = np.zeros(len(column.entries), dtype=np.bool_)
    keys = [key for one in wanted for key in _keys(one)]
    found[[code for key in keys if (code := column.code_of.get(key)) is not None]] = True
    return found


def _keys(wanted: Any) -> list[Hashable]:
    """Return the keys of a column whose values equal `wanted`."""
    if wanted is None:
        return [(type(None), None), NOWHERE]
    if isinstance(wanted, bool | str):
        return [(type(wanted), wanted)]
    return [(int, wanted), (float, wanted)]


def _contains(column: Column, given: Filter, wanted: Any) -> Bitmap:
    """Return for each entry (e,) whether it is a text that contains `wanted`, or a list with that member."""
    if isinstance(wanted, str) and len(wanted) >= MAX_VALUE_CHARS:
        return _tried(column, given)
    members = column.members
    code = members.code_of.get((kind_of(wanted), plain(wanted)))
    found = np.zeros(len(column.entries), dtype=np.bool_)
    if code is not None:
        found[members.entry_of[members.key_of == code]] = True
    found &= column.is_list
    if isinstance(wanted, str):
        found[[entry for entry, text in column.texts if wanted in text]] = True
    return found


def _tried(column: Column, given: Filter) -> Bitmap:
    test = value_test(given.op, document_value(given))
    return np.fromiter(map(test, column.entries), np.bool_, len(column.entries))
