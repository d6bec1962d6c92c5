"""Remarks on the fields that a search names: unknown fields, and comparisons with values of another kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from fleetfold_shared.messages.search import FieldKind, FieldNote, SearchAnswer
from fleetfold_shared.messages.search_criteria import Filter, Sort
from fleetfold_shared.query.filter_validation import fields_of
from fleetfold_shared.query.predicates import wanted_value
from fleetfold_shared.query.sorting import SCORE
from fleetfold_shared.query.value_normalisation import kind_name

__all__ = ["field_notes", "fields_asked", "merged_kinds"]

Kinds = Mapping[str, AbstractSet[FieldKind]]
"""Kinds of value that documents have, by field."""

_NAMED: Mapping[FieldKind, str] = {
    "number": "numbers", "text": "texts", "boolean": "true or false", "list": "lists", "object": "objects",
}  # fmt: skip
_IN_ORDER: Sequence[FieldKind] = ("number", "text", "boolean")
_OF_EACH = ("id", "title")
"""Fields that every document has."""


def fields_asked(given: Filter | None, sorts: Sequence[Sort], facets: Sequence[str]) -> list[str]:
    """Return the document fields that a search names, each once."""
    tested = [] if given is None else fields_of(given)
    named = [*tested, *(sort.field for sort in sorts if sort.field != SCORE), *facets]
    return list(dict.fromkeys(named))


def merged_kinds(fields: Iterable[str], answers: Iterable[SearchAnswer]) -> dict[str, set[FieldKind]]:
    """Return the kinds of value over all searched documents, by field; `unknown` is among them where a node does not
    report them.
    """
    found: dict[str, set[FieldKind]] = {field: set() for field in fields}
    for answer in answers:
        if answer.status in {"ok", "partial"}:
            for field, kinds in found.items():
                kinds |= set(answer.kinds.get(field, ["unknown"]))
    return found


def field_notes(given: Filter | None, sorts: Sequence[Sort], facets: Sequence[str], kinds: Kinds) -> list[FieldNote]:
    """Return a note on each field that no document has, on each comparison with a value of another kind, and on each
    sort or facet over values that it cannot order or tell apart.
    """
    notes = [_absent(field, _uses(field, given, sorts, facets)) for field, found in kinds.items()
             if not found and field not in _OF_EACH]  # fmt: skip
    for test in _tests(given):
        if (note := _other_kind(test, kinds.get(test.field or "", {"unknown"}))) is not None and note not in notes:
            notes.append(note)
    for field, found in kinds.items():
        uses = _uses(field, None, sorts, facets)
        if uses and (note := _no_order(field, uses, found) or _mixed(field, uses, found)) is not None:
            notes.append(note)
    return notes


def _uses(field: str, given: Filter | None, sorts: Sequence[Sort], facets: Sequence[str]) -> str:
    uses = {
        "filter": given is not None and field in fields_of(given),
        "sort": any(sort.field == field for sort in sorts),
        "facets": field in facets,
    }
    return ", ".join(name for name, used in uses.items() if used)


def _absent(field: str, uses: str) -> FieldNote:
    why = f"{uses}: no document that was searched has the field {field!r}; look at a hit's metadata for the names"
    return FieldNote("no_such_field", field, why)


def _mixed(field: str, uses: str, kinds: AbstractSet[FieldKind]) -> FieldNote | None:
    """Numbers, texts and booleans in one field are sorted one after the other, and counted apart."""
    found = [_NAMED[kind] for kind in _IN_ORDER if kind in kinds]
    if len(found) < 2:
        return None
    why = f"{uses}: {field!r} is {' in some documents and '.join(found)} in others; they are sorted and counted apart"
    return FieldNote("other_kind", field, why)


def _no_order(field: str, uses: str, kinds: AbstractSet[FieldKind]) -> FieldNote | None:
    there = kinds - {"null"}
    if not there or not uses.startswith("sort") or there & {"unknown", *_IN_ORDER}:
        return None
    rest = " and ".join(_NAMED[kind] for kind in sorted(there))
    return FieldNote("other_kind", field, f"sort: documents have {rest} in {field!r}, which have no order")


def _tests(given: Filter | None) -> Iterator[Filter]:
    if given is None:
        return
    if given.field is not None:
        yield given
    for part in (*(given.all or ()), *(given.any or ()), *(given.none or ())):
        yield from _tests(part)


def _other_kind(test: Filter, kinds: AbstractSet[FieldKind]) -> FieldNote | None:
    """Return a note on a test whose value is of another kind than the documents'; `contains` compares with texts and
    members of lists.
    """
    there = kinds - {"null"}
    wanted = _wanted(test)
    if not there or not wanted or "unknown" in there or test.op == "exists" or test.field is None:
        return None
    fitting = wanted | {"list"} if test.op == "contains" else wanted
    if there <= fitting or (test.op not in _ORDERED and there & fitting):
        return None
    rest = " and ".join(_NAMED[kind] for kind in sorted(there - fitting))
    compared = f"filter: {test.field!r} is compared with {' and '.join(_NAMED[kind] for kind in sorted(wanted))}"
    if there & fitting:
        return FieldNote("other_kind", test.field, f"{compared}, and some documents have {rest}, which never compare")
    return FieldNote("other_kind", test.field, f"{compared}, and documents have {rest} there, which never compare")


_ORDERED = frozenset({"lt", "lte", "gt", "gte"})


def _wanted(test: Filter) -> set[FieldKind]:
    value: Any = wanted_value(test)
    values = value if isinstance(value, list) else [value]
    named: set[FieldKind] = {kind_name(one) for one in values if one is not None}
    return {"text" if kind == "number" else kind for kind in named} if test.field == "id" else named
