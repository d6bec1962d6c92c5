"""JSON-safe values: each is encoded exactly, or refused by the path of the first one that JSON cannot represent.

JSON has null, true and false, whole numbers, finite fractions, texts of Unicode characters, lists, and objects whose
keys are texts. A tuple becomes a list. The encoder alone is not enough: it silently writes NaN as null, 1 as the key
"1" and a set as a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any
from uuid import UUID

import msgspec

from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.messages.base import Message, decode, encode

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "check_names", "check_text", "check_value", "encode_exactly", "round_tripped"]

MAX_DEPTH = 100
"""Deepest nesting of lists and objects."""
MAX_DIGITS = 4300
"""Most digits of a whole number, which is Python's own limit too (`sys.int_info.default_max_str_digits`)."""

_NUL = b"\\u0000"
_OF_DOCUMENTS = frozenset({"query", "context", "question", "filter", "facets", "sort", "when"})
"""Fields that are compared with documents, and not stored as texts."""
_BOUND = 10**MAX_DIGITS
_SCALARS: frozenset[type] = frozenset({str, int, float, bool, NoneType, bytes})
_INSTEAD: Sequence[tuple[type | tuple[type, ...], str]] = (
    ((date, time), "its text, of `isoformat()`"),
    ((set, frozenset), "a list"),
    ((bytes, bytearray), "a text, of base64 perhaps"),
    (float, "`float(value)`"),
    (int, "`int(value)`"),
    (str, "`str(value)`"),
    ((Decimal, UUID), "its text, of `str()`"),
)
_PLAIN = "a text, a number, a list or a dict"
_KEY_CHARS = 60  # of a key, in an error


def encode_exactly(message: Message) -> bytes:
    """Encode a message. Raises `InvalidInput` for the field whose value would change on the way.

    Decoding the bytes again is ten times as fast as examining each value, which is only done to find the field.
    """
    try:
        data = encode(message)
        if decode(data, type(message)) == message and not _may_be_deep(message, data):
            return data
    except (FleetfoldError, TypeError, ValueError, RecursionError):
        pass  # values out of bounds are refused by the receiver
    _check_fields(message, "", MAX_DEPTH)
    return encode(message)


def round_tripped(value: Any, path: str) -> Any:
    """Return the value after a JSON round trip: equal, with tuples as lists. Raises `InvalidInput` as `check_value`
    does.
    """
    try:
        data = msgspec.json.encode(value)
        back = msgspec.json.decode(data)
        if back == value and not _may_be_deep(value, data):
            return back
    except (TypeError, ValueError, RecursionError):
        pass
    check_value(value, path)
    return msgspec.json.decode(msgspec.json.encode(value))


def check_value(value: Any, path: str) -> None:
    """Raise `InvalidInput` for the first value under `path` that JSON cannot represent: `params.price`."""
    _check(value, path, MAX_DEPTH)


def check_text(text: str, path: str) -> None:
    """Raise `InvalidInput` for a text with half of a surrogate pair, as undecodable bytes produce it."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        where = f"character {error.start + 1}"
        raise _refused(path, f"it is not valid Unicode ({where} is half of a surrogate pair); mend the text") from None


def check_names(message: Message, data: bytes) -> None:
    """Raise `InvalidInput` for a NUL character in a name, an id or a remark of the message, encoded as `data`:
    PostgreSQL cannot store it. Queries, filters and values of parameters may contain it.
    """
    if _NUL in data:
        _check_names(message, "")


def _check_names(value: Any, path: str) -> None:
    if isinstance(value, str) and "\0" in value:
        raise _refused(path, "it holds a NUL character, which cannot be kept; leave it out")
    if isinstance(value, list):
        for place, inner in enumerate(value):
            _check_names(inner, f"{path}[{place}]")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            if name not in _OF_DOCUMENTS:
                _check_names(getattr(value, name), _inside(path, name))


def _may_be_deep(value: Any, data: bytes) -> bool:
    """Tell whether a value, encoded as `data`, is nested more than `MAX_DEPTH` deep."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _members(one) if inner.__class__ not in _SCALARS]
        if not level:
            return False
    return True


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.astuple(value)
    return value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()


def _check(value: Any, path: str, depth: int) -> None:
    kind = value.__class__
    if kind is str:
        check_text(value, path)
    elif kind is int:
        if not -_BOUND < value < _BOUND:
            raise _refused(path, f"a whole number of more than {MAX_DIGITS} digits cannot travel; give it as a text")
    elif kind is float:
        if value - value != 0.0:
            raise _refused(path, f"{value} is not a number that JSON has; leave it out")
    elif kind is dict:
        _check_object(value, path, depth)
    elif kind is list or kind is tuple:
        _check_list(value, path, depth)
    elif kind is not bool and kind is not NoneType:
        _check_other(value, path, depth)


def _check_object(value: dict[Any, Any], path: str, depth: int) -> None:
    if depth == 0:
        raise _too_deep(path)
    for key, inner in value.items():
        if not isinstance(key, str):
            why = f"its key {str(key)[:_KEY_CHARS]} is of type {type(key).__name__}; keys are texts in JSON"
            raise _refused(path, why)
        _check(inner, _inside(path, key), depth - 1)


def _check_list(value: Sequence[Any], path: str, depth: int) -> None:
    if depth == 0:
        raise _too_deep(path)
    for place, inner in enumerate(value):
        _check(inner, f"{path}[{place}]", depth - 1)


def _check_other(value: Any, path: str, depth: int) -> None:
    """Check subclasses that JSON can represent, and messages; refuse all others."""
    if isinstance(value, msgspec.Struct):
        _check_fields(value, f"{path}.", depth)
    elif isinstance(value, dict):
        _check_object(value, path, depth)
    elif isinstance(value, list):
        _check_list(value, path, depth)
    elif isinstance(value, Enum) and isinstance(value, str | int):
        _check(value.value, path, depth)
    else:
        instead = next((form for kind, form in _INSTEAD if isinstance(value, kind)), _PLAIN)
        why = f"JSON has no values of type {type(value).__name__}; give {instead}"
        raise _refused(path, why)


def _check_fields(message: msgspec.Struct, start: str, depth: int) -> None:
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if value.__class__ is not bytes and value is not msgspec.UNSET:  # bytes that a message declares have their form
            _check(value, start + name, depth)


def _inside(path: str, key: str) -> str:
    check_text(key, f"{path}: a key" if path else "a key")
    shown = key if len(key) <= _KEY_CHARS else f"{key[:_KEY_CHARS]}…"
    return f"{path}.{shown}" if path else shown


def _refused(path: str, why: str) -> InvalidInput:
    path = path or "value"
    return InvalidInput(f"{path}: {why}", field=path)


def _too_deep(path: str) -> InvalidInput:
    return _refused(path[:200], f"it is nested more than {MAX_DEPTH} deep")
