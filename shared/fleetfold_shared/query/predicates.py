"""A checked filter as a test of anything whose fields can be read.

Values of different kinds are never equal and have no order: such a test is false, not an error. A missing field equals
null. `ne` is true where `eq` is false, for missing fields too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import UNSET

from fleetfold_shared.messages.criteria import Filter

__all__ = ["MISSING", "ORDER", "Test", "predicate", "reach", "value_test", "wanted_value"]

T = TypeVar("T")
Test = Callable[[Any], bool]
"""Whether a test holds of the value of its field."""

MISSING = object()
"""The value of a field that is not there."""
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
}  # fmt: skip


def wanted_value(given: Filter) -> Any:
    """What a test compares with. Filters that were stored before a value had to be given have none for null."""
    return None if given.value is UNSET else given.value


def predicate(
    given: Filter, reader: Callable[[str], Callable[[T], Any]], wanted: Callable[[Filter], Any] = wanted_value
) -> Callable[[T], bool]:
    """Whether the filter holds of a thing. `reader` of a field is what a thing has there, or `MISSING`; `wanted` is the
    value that a test of a field compares with.
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
    """The test of one value."""
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
    """The value at a path of names joined by dots, or under the path itself as a name; else `MISSING`."""
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
