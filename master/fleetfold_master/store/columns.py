"""What the rows of several rooms have in common: how a value stands in a column, and how many keys are read at once."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any, get_args

import msgspec
from msgspec.structs import fields, replace

__all__ = ["KEYS_AT_ONCE", "as_json", "digest"]

KEYS_AT_ONCE = 500
"""So many keys are named in one statement: databases bound its parameters."""


def as_json(value: Any) -> str:
    """A value as a column of text holds it."""
    return msgspec.json.encode(value).decode()


def digest(value: Any) -> str:
    """What tells a value from another, of 64 hexadecimal characters; the order of keys is none of its content, and
    whether a default was given or left out neither.
    """
    return sha256(msgspec.json.encode(_settled(value), order="deterministic")).hexdigest()


def _settled(value: Any) -> Any:
    """The messages in it with the very objects of their defaults: msgspec leaves out those, not what equals them."""
    if isinstance(value, list):
        return [_settled(each) for each in value]
    if not isinstance(value, msgspec.Struct):
        return value
    plain, holding = _fields(type(value))
    changes = {name: default for name, default in plain if getattr(value, name) == default}
    changes |= {name: _settled(held) for name in holding if (held := getattr(value, name))}
    return replace(value, **changes) if changes else value


@lru_cache(maxsize=256)
def _fields(kind: type[msgspec.Struct]) -> tuple[list[tuple[str, Any]], list[str]]:
    """Those with a default that others may equal, and those that may hold messages."""
    every = fields(kind)
    plain = [(field.name, field.default) for field in every if isinstance(field.default, float | int | str)]
    return plain, [field.name for field in every if _holds_messages(field.type)]


def _holds_messages(annotation: Any) -> bool:
    inside = get_args(annotation)
    if inside:
        return any(map(_holds_messages, inside))
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
