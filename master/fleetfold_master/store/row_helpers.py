"""Helpers for rows: JSON columns, digests, columns whose name differs, and the number of keys per statement."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any, get_args

import msgspec
from msgspec.structs import fields, replace
from sqlalchemy import Select, Table, select

__all__ = ["KEYS_AT_ONCE", "as_json", "digest", "select_by_key"]

KEYS_AT_ONCE = 500
"""The most keys named in one statement: databases limit its parameters."""


def as_json(value: Any) -> str:
    """The JSON text of a value."""
    return msgspec.json.encode(value).decode()


def select_by_key(table: Table) -> Select[Any]:
    """Select all columns under their keys: a column keeps its name in the database when its field is renamed."""
    return select(*(column.label(column.key) for column in table.c))


def digest(value: Any) -> str:
    """A digest of 64 hexadecimal characters; the order of keys does not matter, nor whether a default was given or
    left out."""
    return sha256(msgspec.json.encode(_settled(value), order="deterministic")).hexdigest()


def _settled(value: Any) -> Any:
    """Replace values that equal a default by the default object itself: msgspec omits only those."""
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
    """The fields whose values may equal a default, and those that may contain messages."""
    every = fields(kind)
    plain = [(field.name, field.default) for field in every if isinstance(field.default, float | int | str)]
    return plain, [field.name for field in every if _holds_messages(field.type)]


def _holds_messages(annotation: Any) -> bool:
    inside = get_args(annotation)
    if inside:
        return any(map(_holds_messages, inside))
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
