"""The values of documents' fields, as facets count them and as sorting compares them: the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.criteria import Scalar
from fleetfold_shared.messages.search import FieldKind

__all__ = ["BOOLEAN", "MAX_VALUE_CHARS", "NOTHING", "NUMBER", "TEXT", "check_field", "kind_name", "kind_of", "plain"]

MAX_VALUE_CHARS = 100
"""A text counts and compares by so many of its first characters."""

NUMBER, TEXT, BOOLEAN, NOTHING = range(4)
"""Kinds of value, in their order."""

_KINDS: Mapping[type, int] = {int: NUMBER, float: NUMBER, str: TEXT, bool: BOOLEAN}  # as JSON is read: no subclasses
_NAMES: Mapping[type, FieldKind] = {
    int: "number", float: "number", str: "text", bool: "boolean", list: "list", dict: "object",
}  # fmt: skip
_MAX_FIELD_CHARS = 200


def kind_of(value: Any) -> int:
    """The kind of a field's value; `NOTHING` for null, lists, objects and fields that are not there."""
    return _KINDS.get(value.__class__, NOTHING)


def kind_name(value: Any) -> FieldKind:
    """The kind of a field's value, by its name: of lists and objects too."""
    return _NAMES.get(value.__class__, "null")


def plain(value: Any) -> Scalar:
    """The value in one spelling: texts cut, a number without a fraction as an integer; None for what is no scalar."""
    kind = value.__class__
    if kind is str:
        return cast("str", value[:MAX_VALUE_CHARS])
    if kind is float:
        return int(value) if value.is_integer() and -(2.0**63) <= value < 2.0**64 else cast("float", value)
    return cast("Scalar", value) if kind in _KINDS else None


def check_field(name: str, path: str) -> None:
    """`InvalidInput` that names `path` when `name` cannot be a field's."""
    if not name:
        raise InvalidInput(f"{path}: it is empty; name `id`, `title` or a key of the metadata", field=path)
    if len(name) > _MAX_FIELD_CHARS:
        why = f"it has {len(name)} characters; a field's name has at most {_MAX_FIELD_CHARS}"
        raise InvalidInput(f"{path}: {why}", field=path)
