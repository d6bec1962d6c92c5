"""What an action returns, read from its signature: refused when JSON cannot carry it, described by JSON Schema."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from fleetfold_shared.errors import InvalidInput

__all__ = ["result_schema"]

_UNIONS = (typing.Union, types.UnionType)
_CARRIED = (str, int, float, bytes, dict, list, tuple, set, frozenset)
"""Subclasses of these are carried as what they are derived from."""


def result_schema(function: Callable[..., Any], action: str) -> dict[str, Any] | None:
    """The JSON Schema (2020-12) of the result; None when the annotation does not tell.

    `InvalidInput` for a type whose values JSON cannot carry. Parameters are looked at first: what is wrong with the
    names in the signature has been refused by then.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    kinds = list(_alternatives(hints.get("return", Any)))
    for kind in kinds:
        if (strange := _not_carried(kind)) is not None:
            raise InvalidInput(
                f"{action}: it returns {strange.__qualname__}, which has no form in JSON; return a dict, a list, a "
                "text, a number, a Struct or a dataclass, or write 'Any' where it may be any of these"
            )
    try:
        schemas, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    except TypeError:  # msgspec can encode it, but not decode it
        return None
    if any(not schema for schema in schemas):
        return None
    top = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    return {**top, "$defs": components} if components else top


def _alternatives(kind: Any) -> Iterator[Any]:
    """The types of a union, each alone: msgspec reads few unions, and writes all."""
    if typing.get_origin(kind) in _UNIONS:
        for one in typing.get_args(kind):
            yield from _alternatives(one)
    else:
        yield kind


def _not_carried(kind: Any) -> type | None:
    """The first type in it that JSON cannot carry, if the annotation tells."""
    try:
        found = inspect.type_info(kind)
    except TypeError:
        return None
    return next((each for each in _custom(found, set()) if not issubclass(each, _CARRIED)), None)


def _custom(found: Any, seen: set[int]) -> Iterator[type]:
    if isinstance(found, inspect.CustomType):
        yield found.cls
    if not isinstance(found, inspect.Type | inspect.Field) or id(found) in seen:
        return
    seen.add(id(found))
    for name in found.__struct_fields__:
        inner = getattr(found, name)
        for each in inner if isinstance(inner, tuple) else (inner,):
            yield from _custom(each, seen)
