"""Result type of an action, read from its signature: refused when JSON cannot represent it, described by JSON
Schema.
"""

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
"""Subclasses of these are encoded as their base class."""


def result_schema(function: Callable[..., Any], action: str) -> dict[str, Any] | None:
    """Return the JSON Schema (2020-12) of the result; `None` when the annotation does not define it.

    Raises `InvalidInput` for a type whose values JSON cannot represent. Check the parameters first: they reveal unknown
    names in the signature.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    kinds = list(_alternatives(hints.get("return", Any)))
    for kind in kinds:
        if (unsupported := _not_carried(kind)) is not None:
            raise InvalidInput(
                f"{action}: it returns {unsupported.__qualname__}, which has no form in JSON; return a dict, a list, a "
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
    """Yield the types of a union one by one: msgspec decodes few unions, and encodes all."""
    if typing.get_origin(kind) in _UNIONS:
        for one in typing.get_args(kind):
            yield from _alternatives(one)
    else:
        yield kind


def _not_carried(kind: Any) -> type | None:
    """Return the first type in `kind` that JSON cannot represent, if the annotation reveals it."""
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
