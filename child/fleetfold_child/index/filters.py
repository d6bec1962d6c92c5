"""Filters: as a test of one document, and for LanceDB's columns as SQL with escaped literals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleetfold_child.connectors.documents import Document
from fleetfold_shared.messages.search_criteria import Filter
from fleetfold_shared.query import predicates

__all__ = ["Predicate", "id_in", "predicate", "reader", "where"]

Predicate = Callable[[Document], bool]

_SQL = {"eq": "=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def predicate(given: Filter) -> Predicate:
    """Return the test of a document for a checked filter."""
    return predicates.predicate(given, reader, predicates.document_value)


def reader(field: str) -> Callable[[Document], Any]:
    """Return a function that reads the field of a document, or `predicates.MISSING`."""
    if field == "id":
        return lambda document: document.id
    if field == "title":
        return lambda document: document.title
    return lambda document: predicates.reach(document.metadata, field)


def where(given: Filter) -> str | None:
    """Return SQL that is true for every matching document, and perhaps for more; `None` where there is none.

    Only `id` and `title` are columns. Its results are tested again by `predicate`.
    """
    return _push(given)[0]


def id_in(ids: list[str]) -> str:
    """Return SQL for the documents with these ids."""
    return f"id IN ({', '.join(_literal(one) for one in ids)})"


def _push(given: Filter) -> tuple[str | None, bool]:
    """Return the SQL, and whether it is equivalent to the filter (only then may it be negated)."""
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
    value = predicates.document_value(given)
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
