"""Validation of filters, by the master before it sends and by a node before it searches."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search_criteria import Filter

__all__ = ["MAX_DEPTH", "MAX_TESTS", "check_filter", "fields_of"]

MAX_DEPTH = 10
MAX_TESTS = 200
_MAX_VALUES = 1000


def check_filter(given: Filter, path: str = "filter") -> Filter:
    """Return `given` if it is well formed; otherwise raise `InvalidInput` for the place: `filter.all[1].value`.

    A filter is a test (`field`, `op`, `value`) or a combination of filters by `all`, `any` and `none`, which must hold
    together when there are several. Combinations may not be empty.
    """
    if _check(given, path, MAX_DEPTH) > MAX_TESTS:
        raise _malformed(path, f"it has more than {MAX_TESTS} tests")
    return given


def fields_of(given: Filter) -> list[str]:
    """Return the fields that the filter tests, each once."""
    own = [] if given.field is None else [given.field]
    parts = (part for parts in (given.all, given.any, given.none) for part in parts or ())
    return list(dict.fromkeys([*own, *(field for part in parts for field in fields_of(part))]))


def _check(given: Filter, path: str, depth: int) -> int:
    """Check a filter and return its number of tests."""
    if depth == 0:
        raise _malformed(path, f"it is nested more than {MAX_DEPTH} deep")
    combined = {name: parts for name in ("all", "any", "none") if (parts := getattr(given, name)) is not None}
    if given.field is None:
        return _check_combination(given, combined, path, depth)
    if combined:
        raise _malformed(path, f"`field` and `{next(iter(combined))}` do not go together; put the test inside it")
    if not given.field:
        raise _malformed(f"{path}.field", "it is empty; name `id`, `title` or a key of the metadata")
    _check_value(given, f"{path}.value")
    return 1


def _check_combination(given: Filter, combined: dict[str, list[Filter]], path: str, depth: int) -> int:
    if not combined:
        raise _malformed(path, "give a `field` to test, or `all`, `any` or `none` with a list of filters")
    if given.value is not UNSET or given.op != "eq":
        raise _malformed(f"{path}.field", "`op` and `value` need a field to test")
    for name, parts in combined.items():
        if not parts:
            raise _malformed(f"{path}.{name}", "the list is empty; give at least one filter")
    return sum(
        _check(part, f"{path}.{name}[{i}]", depth - 1)
        for name, parts in combined.items()
        for i, part in enumerate(parts)
    )


def _check_value(given: Filter, path: str) -> None:
    value: Any = given.value
    if value is UNSET:
        raise _malformed(path, f"missing; say what `{given.field}` is compared with, or null for documents without it")
    if given.op == "in":
        if not isinstance(value, list) or not 1 <= len(value) <= _MAX_VALUES:
            raise _malformed(path, f"`in` takes a list of 1 to {_MAX_VALUES} values")
    elif isinstance(value, list):
        raise _malformed(path, f"`{given.op}` takes one value, not a list; for several, use `in`")
    elif given.op == "exists":
        if not isinstance(value, bool):
            raise _malformed(path, "`exists` takes true or false")
    elif given.op == "contains":
        if value is None:
            raise _malformed(path, "`contains` takes a text, a number, true or false")
    elif given.op in {"lt", "lte", "gt", "gte"} and (value is None or isinstance(value, bool)):
        raise _malformed(path, f"`{given.op}` takes a number or a text")


def _malformed(path: str, why: str) -> InvalidInput:
    return InvalidInput(f"{path}: {why}", field=path)
