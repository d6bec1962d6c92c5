"""A checked filter as a test of anything whose fields can be read.

Values of different kinds are never equal and have no order: such a test is false, not an error. A missing field equals
null. `ne` is true where `eq` is false, for missing fields too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from fleetfold_shared.messages.criteria import Filter

__all__ = ["MISSING", "Reader", "holds", "reach"]

Reader = Callable[[str], Any]
"""What there is in a field; `MISSING` where there is none."""

MISSING = object()
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
}  # fmt: skip


def holds(given: Filter, read: Reader) -> bool:
    """Whether the filter holds of what `read` reads."""
    if given.field is not None:
        return _test(given, read(given.field))
    return (
        all(holds(part, read) for part in given.all or ())
        and (not given.any or any(holds(part, read) for part in given.any))
        and not any(holds(part, read) for part in given.none or ())
    )


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


def _test(given: Filter, value: Any) -> bool:
    wanted: Any = given.value
    match given.op:
        case "eq":
            return _equal(value, wanted)
        case "ne":
            return not _equal(value, wanted)
        case "in":
            return any(_equal(value, one) for one in wanted)
        case "exists":
            return (value is not MISSING) == bool(wanted)
        case "contains":
            return _contains(value, wanted)
        case op:
            return _comparable(value, wanted) and bool(_ORDER[op](value, wanted))


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
