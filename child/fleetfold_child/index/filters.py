"""A filter at work: as a test of one document, and as far as LanceDB's columns reach, as SQL with escaped literals."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from fleetfold_child.documents import Document
from fleetfold_shared.messages.criteria import Filter

__all__ = ["MISSING", "ORDER", "Predicate", "id_in", "predicate", "reader", "value_test", "wanted_value", "where"]

Predicate = Callable[[Document], bool]

MISSING = object()
"""What a document has in a field that is not there."""
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
}  # fmt: skip
_SQL = {"eq": "=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def predicate(given: Filter) -> Predicate:
    """The test that a checked filter stands for.

    Values of different kinds are never equal and have no order: such a test is false, not an error. A missing field
    equals null. `ne` is true where `eq` is false, for missing fields too.
    """
    if given.field is not None:
        return _test(given)
    every = [predicate(part) for part in given.all or ()]
    some = [predicate(part) for part in given.any or ()]
    none = [predicate(part) for part in given.none or ()]
    return lambda document: (
        all(holds(document) for holds in every)
        and (not some or any(holds(document) for holds in some))
        and not any(holds(document) for holds in none)
    )


def _test(given: Filter) -> Predicate:
    read = reader(given.field or "")
    test = value_test(given)
    return lambda document: test(read(document))


def value_test(given: Filter) -> Callable[[Any], bool]:
    """The test of a field's value that a checked filter with a field stands for."""
    wanted = wanted_value(given)
    match given.op:
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
        case op:
            holds = ORDER[op]
            return lambda value: _comparable(value, wanted) and holds(value, wanted)


def wanted_value(given: Filter) -> Any:
    """The filter's value; ids are texts, but who numbers documents will ask for numbers."""
    value = given.value
    if given.field != "id" or given.op == "exists":
        return value
    if isinstance(value, list):
        return [_as_id(one) for one in value]
    return _as_id(value)


def _as_id(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def reader(field: str) -> Callable[[Document], Any]:
    """What a document has in the field; `MISSING` where it has none."""
    if field == "id":
        return lambda document: document.id
    if field == "title":
        return lambda document: document.title
    path = field.split(".")
    return lambda document: _reach(document.metadata, field, path)


def _reach(metadata: Mapping[str, Any], field: str, path: list[str]) -> Any:
    if field in metadata:
        return metadata[field]
    value: Any = metadata
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return MISSING
        value = value[name]
    return value


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


def where(given: Filter) -> str | None:
    """SQL that holds for every document the filter holds for, and perhaps for more; None where there is no such.

    Only `id` and `title` are columns. What it lets through is tested again by `predicate`.
    """
    return _push(given)[0]


def id_in(ids: list[str]) -> str:
    """SQL for the documents of these ids."""
    return f"id IN ({', '.join(_literal(one) for one in ids)})"


def _push(given: Filter) -> tuple[str | None, bool]:
    """The SQL, and whether it says exactly what the filter does (only then may it be negated)."""
    if given.field is not None:
        sql = _push_test(given)
        return sql, sql is not None
    parts = [_push(part) for part in given.all or ()]
    if given.any:
        parts.append(_push_any([_push(part) for part in given.any]))
    parts += [(f"NOT {sql}", True) if sql and exact else (None, False) for sql, exact in map(_push, given.none or ())]
    known = [sql for sql, _ in parts if sql]
    return f"({' AND '.join(known)})" if known else None, all(exact for _, exact in parts)


def _push_any(parts: list[tuple[str | None, bool]]) -> tuple[str | None, bool]:
    known = [sql for sql, _ in parts if sql]
    if len(known) < len(parts):
        return None, False
    return f"({' OR '.join(known)})", all(exact for _, exact in parts)


def _push_test(given: Filter) -> str | None:
    value = wanted_value(given)
    if given.field not in {"id", "title"}:
        return None
    if given.op == "in":
        texts = [one for one in value if isinstance(one, str)]
        return f"({given.field} IN ({', '.join(map(_literal, texts))}))" if texts else None
    if not isinstance(value, str):
        return None
    if given.op == "contains":
        return f"contains({given.field}, {_literal(value)})"
    return f"({given.field} {_SQL[given.op]} {_literal(value)})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
