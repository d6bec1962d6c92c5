"""msgspec's complaint about a value, told field first: «steps[1].timeout_s: expected `float`, got `str`»."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from fleetfold_shared.errors import InvalidInput

__all__ = ["refusal", "typed"]

T = TypeVar("T")

_MISSING = re.compile(r"^Object missing required field `(.+)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.+)`$")


def typed(value: Any, kind: type[T], where: str, *, strict: bool = True) -> T:
    """`value` as a `kind`; `InvalidInput` names `where` it came from, the field and what is wrong with it."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise refusal(error, where) from None


def refusal(error: msgspec.ValidationError, where: str) -> InvalidInput:
    """The `InvalidInput` that says the same, for input from `where` (a file, an option)."""
    field, problem = _field_and_problem(error)
    subject = ": ".join(part for part in (where, field) if part)
    return InvalidInput(f"{subject}: {problem}", field=field or where)


def _field_and_problem(error: msgspec.ValidationError) -> tuple[str, str]:
    what, _, path = str(error).partition(" - at `$")
    parent = path.rstrip("`").removeprefix(".")
    if missing := _MISSING.match(what):
        return _join(parent, missing[1]), "missing; it is required"
    if unknown := _UNKNOWN.match(what):
        return _join(parent, unknown[1]), "there is no such key"
    return parent, what[:1].lower() + what[1:]


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name
