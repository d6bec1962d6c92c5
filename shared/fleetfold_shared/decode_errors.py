"""Conversion of msgspec's validation errors, with the field first: «steps[1].timeout_s: expected `float`, got
`str`».
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import SLUG

__all__ = ["convert_to", "invalid_input"]

T = TypeVar("T")

_PLACE = re.compile(r"^(?P<what>.*) - at (?:`key` in )?`\$\.?(?P<path>.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(.+)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.+)`$")
_FORMER_NAMES = {"undo": "rollback"}


def convert_to(value: Any, kind: type[T], where: str, *, strict: bool = True) -> T:
    """Convert `value` to `kind`. Raises `InvalidInput` with the origin `where` (if not empty), the field and the
    problem.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise invalid_input(error, where) from None


def invalid_input(error: msgspec.ValidationError, where: str) -> InvalidInput:
    """Convert `error` to `InvalidInput`, for input from `where` (a file, an option)."""
    field, problem = _field_and_problem(error)
    subject = ": ".join(part for part in (where, field) if part)
    return InvalidInput(f"{subject}: {problem}" if subject else problem, field=field or where or None)


def _field_and_problem(error: msgspec.ValidationError) -> tuple[str, str]:
    place = _PLACE.match(str(error))
    what, parent = (place["what"], place["path"]) if place else (str(error), "")
    if missing := _MISSING.match(what):
        return _join(parent, missing[1]), "missing; it is required"
    if unknown := _UNKNOWN.match(what):
        return _join(parent, unknown[1]), f"there is no such key{_present_name(unknown[1])}"
    if SLUG.partition("$")[0] in what:  # the rest of the pattern is escaped differently there
        return parent, "not a usable name; use 1-63 of a-z, 0-9 and '-', not starting with '-'"
    return parent, what[:1].lower() + what[1:]


def _present_name(name: str) -> str:
    return f"; it is called {_FORMER_NAMES[name]!r} now" if name in _FORMER_NAMES else ""


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name
