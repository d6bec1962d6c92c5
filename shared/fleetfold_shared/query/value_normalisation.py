"""Normalisation of documents' field values for facets and sorting: the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search import FieldKind
from fleetfold_shared.messages.search_criteria import Scalar

__all__ = ["BOOLEAN", "MAX_VALUE_CHARS", "NOTHING", "NUMBER", "TEXT", "check_field", "kind_name", "kind_of", "plain"]

MAX_VALUE_CHARS = 100
"""Number of a text's first characters by which it is counted and compared."""

NUMBER, TEXT, BOOLEAN, NOTHING = range(4)
"""Kinds of value, in sort order."""

_KINDS: Mapping[type, int] = {int: NUMBER, float: NUMBER, str: TEXT, bool: BOOLEAN}  # as JSON is read: no subclasses
_NAMES: Mapping[type, FieldKind] = {
    int: "number", float: "number", str: "text", bool: "boolean", list: "list", dict: "object",
}  # fmt: skip
_MAX_FIELD_CHARS = 200


def kind_of(value: Any) -> int:
    """Return the kind of a field's value; `NOTHING` for null, lists, objects and missing fields."""
    return _KINDS.get(value.__class__, NOTHING)


def kind_name(value: Any) -> FieldKind:
    """Return the name of the kind of a field's value, also for lists and objects."""
    return _NAMES.get(value.__class__, "null")


def plain(value: Any) -> Scalar:
    """Normalise a value: cut a text, turn a number without a fraction into an integer; `None` for anything but a
    scalar.
    """
    kind = value.__class__
    if kind is str:
        return cast("str", value[:MAX_VALUE_CHARS])
    if kind is float:
        return int(value) if value.is_integer() and -(2.0**63) <= value < 2.0**64 else cast("float", value)
    return cast("Scalar", value) if kind in _KINDS else None


def check_field(name: str, path: str) -> None:
    """Raise `InvalidInput` for `path` when `name` is not usable as a field's name."""
    if not name:
        raise InvalidInput(f"{path}: it is empty; name `id`, `title` or a key of the metadata", field=path)
    if len(name) > _MAX_FIELD_CHARS:
        why = f"it has {len(name)} characters; a field's name has at most {_MAX_FIELD_CHARS}"
        raise InvalidInput(f"{path}: {why}", field=path)
