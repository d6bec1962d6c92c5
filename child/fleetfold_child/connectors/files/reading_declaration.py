"""Validation of a collection's declared reading."""

from __future__ import annotations

from msgspec.structs import replace

from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["check_reading"]

_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_NO_SEPARATORS = frozenset("\"'\r\n\\")


def check_reading(reading: Reading, collection: str) -> Reading:
    """Return `reading` with its separator as one character. Raises `InvalidInput` for the setting, with the
    collection.
    """
    if reading.separator is not None:
        reading = replace(reading, separator=_separator(reading.separator, collection))
    if reading.encoding is not None:
        _check_encoding(reading.encoding, collection)
    for field, names in (("text", reading.text), ("title", [reading.title])):
        if reading.id in names:
            raise InvalidInput(f"{field} of {collection}: {reading.id!r} is the id, which is no text", field=field)
    if len(set(reading.text)) < len(reading.text):
        raise InvalidInput(f"text of {collection}: a field is named twice", field="text")
    return reading


def _separator(given: str, collection: str) -> str:
    separator = _NAMED.get(given.lower(), given)
    if len(separator) != 1 or separator.isalnum() or separator in _NO_SEPARATORS:
        raise InvalidInput(
            f"separator of {collection}: {given!r} is none; give one character, such as ';', or tab", field="separator"
        )
    return separator


def _check_encoding(name: str, collection: str) -> None:
    try:
        is_text = isinstance("".encode(name), bytes) and isinstance(b"".decode(name), str)  # refuses codecs such as hex
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        raise InvalidInput(
            f"encoding of {collection}: there is no {name!r}; use utf-8, utf-16, cp1252, iso-8859-15...",
            field="encoding",
        )
