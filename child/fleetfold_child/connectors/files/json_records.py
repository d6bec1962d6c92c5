"""Reader of JSON files: one object a line, or one array of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from fleetfold_child.connectors.files.encodings import find_encoding
from fleetfold_child.connectors.files.opening import opened
from fleetfold_child.connectors.files.source_items import Item, Problem, SourceRow
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["json_rows"]

_MARK = b"\xef\xbb\xbf"
_HEAD_BYTES = 4096
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_NO_NUMBER = re.compile(rb"[:\[,]\s*(-?(?:NaN|Infinity))\b", re.IGNORECASE)
_COMMA_BEFORE_END = re.compile(rb",\s*[}\]]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?P<end>"?)|[\[{]|[\]}]|,', re.DOTALL)


def json_rows(path: Path, reading: Reading) -> Generator[Item]:
    """Yield the objects of a file with their lines, or in an array with their numbers."""
    with opened(path) as file:
        text = _recoded(file, path, reading)
        head = text[:_HEAD_BYTES].lstrip() if isinstance(text, bytes) else _head(text)
        if head.startswith(b"[") and (items := _array(text, path)) is not None:
            yield from (_item(f"{path}: item {number}", one, reading) for number, one in enumerate(items, 1))
            return
        lines = iter(text.splitlines(keepends=True)) if isinstance(text, bytes) else iter(text)
        for number, line in enumerate(lines, 1):
            if stripped := line.removeprefix(_MARK).strip():
                yield _item(f"{path}:{number}", stripped, reading, next_line=lines if number == 1 else None)


def _recoded(file: BinaryIO, path: Path, reading: Reading) -> BinaryIO | bytes:
    """Return the file if it is UTF-8 or not known to be something else; otherwise its contents in UTF-8."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if reading.encoding is None and (head.startswith(_MARK) or b"\0" not in head):
        return file
    encoding = find_encoding(file, path, reading.encoding)
    return file.read().decode(encoding.name).encode()


def _head(file: BinaryIO) -> bytes:
    head = file.read(_HEAD_BYTES).removeprefix(_MARK).lstrip()
    file.seek(0)
    return head


def _array(text: BinaryIO | bytes, path: Path) -> Sequence[bytes] | None:
    """Return the items of a file that is one array; `None` for lines that are arrays, which are not records."""
    whole = (text if isinstance(text, bytes) else text.read()).removeprefix(_MARK)
    try:
        return [bytes(one) for one in _ARRAY.decode(whole)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (items := _split(whole)) is not None:
            return items
        first = whole.lstrip().partition(b"\n")[0].strip()
        if not first.endswith(b"]") or first == b"[]":
            raise InvalidInput(f"{path}: not one JSON array: {_reason(whole, error)}", field="records") from None
        if not isinstance(text, bytes):
            text.seek(0)
        return None


def _split(array: bytes) -> list[bytes] | None:
    """The items of an array some of which are no JSON, by its brackets and commas alone; None if those do not fit."""
    depth, start, items = 0, 0, list[bytes]()
    for token in _TOKEN.finditer(array):
        sign = token[0]
        if depth == 0 and items:
            return None
        if sign in b"[{":
            depth += 1
            start = token.end() if depth == 1 else start
        elif sign in b"]}" or (sign == b"," and depth == 1):
            if depth == 1:
                items.append(array[start : token.start()].strip())
            start = token.end() if depth == 1 else start
            depth -= sign != b","
        elif sign != b"," and not token["end"]:
            return None
    return items if depth == 0 and all(items) and not array[start:].strip() else None


def _item(place: str, line: bytes, reading: Reading, next_line: Iterator[bytes] | None = None) -> Item:
    try:
        return SourceRow(place, _OBJECT.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if next_line is not None and line in {b"{", b"[{"}:
            reason = "an object goes over several lines; write one a line (`jq -c . FILE`), or an array in a .json file"
        else:
            reason = _reason(line, error)
        return Problem(place, reason, _identity(line, reading.id))


def _reason(line: bytes, error: Exception) -> str:
    """Explain why a text is not JSON, in the terms of its author."""
    if isinstance(error, UnicodeDecodeError) or "utf-8" in str(error).lower():
        return "not UTF-8; name the file's encoding with --encoding, such as cp1252"
    if isinstance(error, msgspec.ValidationError):
        if "out of range" in str(error):
            return "a number is larger than any that JSON readers take; write it as a text"
        return "not an object; write one JSON object a line"
    if isinstance(error, RecursionError):
        return "too many values within values"
    if (found := _NO_NUMBER.search(line)) is not None:
        return f"{found[1].decode()} is no number of JSON; leave the field out, or write null"
    if _SURROGATE.search(line) and ("surrogate" in str(error) or "truncated" in str(error)):
        return "a text holds half of a surrogate pair, which is no character; mend the text"
    if line.endswith(b","):
        return "not JSON: a comma behind the object; write one object a line and nothing between them"
    if _COMMA_BEFORE_END.search(line):
        return f"not JSON: {error}; is there a comma before a closing bracket?"
    return f"not JSON: {error}"


def _identity(line: bytes, field: str) -> str | None:
    """Return the id of a record that msgspec rejects; Python's own reader accepts a little more."""
    try:
        found = json.loads(line.rstrip(b","))
    except (ValueError, RecursionError):
        return None
    own = found.get(field) if isinstance(found, dict) else None
    return str(own) if isinstance(own, str | int) else None
