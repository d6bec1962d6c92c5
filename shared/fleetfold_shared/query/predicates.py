"""Predicates made from checked filters, for anything whose fields can be read.

Values of different kinds are never equal and have no order: such a test is false, not an error. A missing field equals
null. `ne` is true where `eq` is false, for missing fields too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import UNSET

from fleetfold_shared.messages.search_criteria import Filter

__all__ = ["MISSING", "ORDER", "Test", "document_value", "predicate", "reach", "value_test", "wanted_value"]

T = TypeVar("T")
Test = Callable[[Any], bool]
"""Tests the value of a field."""

MISSING = object()
"""Value of a missing field."""
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
}  # fmt: skip


def wanted_value(given: Filter) -> Any:
    """Return the value that a test compares with. Stored filters of earlier releases may lack one, which means null."""
    return None if given.value is UNSET else given.value


def document_value(given: Filter) -> Any:
    """Return the value that a test of a document compares with; numbers become texts for `id`, as ids are texts."""
    value = wanted_value(given)
    if given.field != "id" or given.op == "exists":
        return value
    return [_as_id(one) for one in value] if isinstance(value, list) else _as_id(value)


def _as_id(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def predicate(
    given: Filter, reader: Callable[[str], Callable[[T], Any]], wanted: Callable[[Filter], Any] = wanted_value
) -> Callable[[T], bool]:
    """Return a function that applies the filter to a thing. `reader(field)` returns a function that reads that field of
    a thing (or `MISSING`); `wanted` returns the value that a test compares with.
    """
    if given.field is not None:
        read, test = reader(given.field), value_test(given.op, wanted(given))
        return lambda thing: test(read(thing))
    every, some, none = (
        [predicate(part, reader, wanted) for part in parts or ()] for parts in (given.all, given.any, given.none)
    )
    return lambda thing: (
        all(holds(thing) for holds in every)
        and (not some or any(holds(thing) for holds in some))
        and not any(holds(thing) for holds in none)
    )


def value_test(op: str, wanted: Any) -> Test:
    """Return the test for the operator `op` with the value `wanted`."""
    match op:
        case "eq":
            return lambda value: _equal(value, wanted)
        case "ne":
            return lambda value: not _equal(value, wanted)
        case "in":
            return lambda value: any(_equal(value, one) for one in wanted)
        case "exists":
            return lambda value: (value is not MISSING) == wanted
        case "contains":
            return lambda value: _contains(value, wanted)
        case _:
            in_order = ORDER[op]
            return lambda value: _comparable(value, wanted) and in_order(value, wanted)


def reach(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path of names joined by dots, or under the whole path as a name; otherwise `MISSING`."""
    if path in values:
        return values[path]
    here: Any = values
    for name in path.split("."):
        if not isinstance(here, Mapping) or name not in here:
            return MISSING
        here = here[name]
    return here


def _equal(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return value is None or value is MISSING
    return _same_kind(value, wanted) and bool(value == wanted)


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, list):
        return any(_equal(one, wanted) for one in value)
    return isinstance(value, str) and isinstance(wanted, str) and wanted in value


def _same_kind(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and isinstance(value, str) == isinstance(wanted, str)


def _comparable(value: Any, wanted: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and _same_kind(value, wanted)
