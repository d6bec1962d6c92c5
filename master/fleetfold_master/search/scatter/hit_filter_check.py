"""The check of a hit against the request's filter, as far as the hit itself can tell. Pure.

In three values (Kleene 1938): a test is true, false, or unknown, and a hit contradicts a filter that is false for it. A
test of a field that the hit lacks is unknown: the document may lack it, or its node left it out. So are tests of the
texts and lists of a hit whose large values were cut, and of an empty title. A node that lies about all of that is not
found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fleetfold_shared.messages import Filter, ScoredDocument
from fleetfold_shared.query.predicates import MISSING, document_value, reach, value_test

__all__ = ["filter_verdict"]

Verdict = Callable[[ScoredDocument], bool | None]
"""Whether a hit matches the filter; None if it cannot tell."""


def filter_verdict(given: Filter) -> Verdict:
    """The verdict of a checked filter."""
    if given.field is not None:
        return _test_verdict(given, given.field)
    every, some, none = (
        [filter_verdict(part) for part in parts or ()] for parts in (given.all, given.any, given.none)
    )  # fmt: skip
    return lambda hit: _and([
        _and(one(hit) for one in every),
        _or(one(hit) for one in some) if some else True,
        _not(_or(one(hit) for one in none)),
    ])  # fmt: skip


def _test_verdict(given: Filter, field: str) -> Verdict:
    test = value_test(given.op, document_value(given))

    def verdict(hit: ScoredDocument) -> bool | None:
        value = _value(hit, field)
        return None if value is MISSING else test(value)

    return verdict


def _value(hit: ScoredDocument, field: str) -> Any:
    """The document's value of the field; `MISSING` if the hit cannot tell."""
    if field == "id":
        return hit.id
    value = (hit.title or MISSING) if field == "title" else reach(hit.metadata, field)
    if hit.cut and ("." in field or not (value is None or isinstance(value, int | float))):
        return MISSING
    return value


def _and(values: Iterable[bool | None]) -> bool | None:
    known = set(values)
    return False if False in known else None if None in known else True


def _or(values: Iterable[bool | None]) -> bool | None:
    known = set(values)
    return True if True in known else None if None in known else False


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value
