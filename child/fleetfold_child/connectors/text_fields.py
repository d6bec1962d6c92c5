"""Selection of a record's title and content fields: as declared, by their names, or by their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fleetfold_child.connectors.common_field_names import CONTENT, MORE_CONTENT, MORE_TITLES, TITLES, plain_name
from fleetfold_shared.config import Reading

__all__ = ["TextFields", "is_prose", "text_fields"]

_PROSE_CHARS = 24
_WORD = re.compile(r"[^\W\d_]{2,}")
_NO_PROSE = re.compile(r"[a-z][a-z0-9+.-]*://\S+\Z|[\w.+-]+@[\w.-]+\Z|[{\[]")


@dataclass(frozen=True, slots=True)
class TextFields:
    """The field of the title, if any, and those of the content; `guessed` are those selected by their values."""

    title: str | None
    content: tuple[str, ...]
    guessed: tuple[str, ...] = ()


def text_fields(record: Mapping[str, Any], reading: Reading) -> TextFields:
    """Select the text fields of a record. Empty fields are skipped; declarations take precedence."""
    filled = [name for name in record if isinstance(name, str) and _is_filled(record[name])]
    known = {plain_name(name): name for name in reversed(filled)}
    title = _title(known, reading)
    if reading.text:
        return TextFields(title, tuple(name for name in reading.text if name != title))
    content = _all(CONTENT, known, title) or _all(MORE_CONTENT, known, title)
    if title is not None or content:
        return TextFields(title, content)
    guessed = tuple(name for name in filled if is_prose(record[name]))
    return TextFields(None, guessed, guessed)


def is_prose(value: Any) -> bool:
    """Tell whether a value is a text of several words: not code, an address, a number or JSON."""
    if not isinstance(value, str) or len(value) < _PROSE_CHARS or _NO_PROSE.match(value):
        return False
    return sum(1 for _ in zip(_WORD.finditer(value), range(3), strict=False)) == 3


def _title(known: Mapping[str, str], reading: Reading) -> str | None:
    """Return the title's field; with declared texts, a less common name must be among them."""
    if reading.title is not None:
        return reading.title
    best = _first(TITLES, known)
    more = _first(
        MORE_TITLES, {name: field for name, field in known.items() if not reading.text or field in reading.text}
    )
    return best or more


def _first(names: Iterable[str], known: Mapping[str, str]) -> str | None:
    return next((known[name] for name in names if name in known), None)


def _all(names: Iterable[str], known: Mapping[str, str], title: str | None) -> tuple[str, ...]:
    return tuple(known[name] for name in names if name in known and known[name] != title)


def _is_filled(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None and value != []
