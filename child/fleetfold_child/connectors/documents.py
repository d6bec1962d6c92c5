"""Documents, and their conversion from an application's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import msgspec

from fleetfold_child.connectors.common_field_names import CONTENT, TITLES, plain_name
from fleetfold_child.connectors.markup import plain_text
from fleetfold_child.connectors.text_fields import TextFields, text_fields
from fleetfold_child.connectors.value_conversion import converted
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.text.document_text import text_of
from fleetfold_shared.values import check_value, round_tripped

__all__ = [
    "MAX_ID_CHARS", "USUAL", "Document", "from_record", "identity", "is_first_name", "joined_texts", "read_record",
    "text_value", "usable_metadata",
]  # fmt: skip

MAX_ID_CHARS = 512

USUAL = Reading()
"""Reading of records without a declaration."""

_FIRST_NAMES = frozenset((*TITLES, *CONTENT))


@dataclass(frozen=True)
class Document:
    """One document of a collection. `metadata` is limited to JSON's values, and must not be changed in place."""

    id: str
    title: str
    content: str
    metadata: dict[str, Any]

    @cached_property
    def text(self) -> str:
        """Text for analysis and embedding: `title. content`, or the one that is not empty."""
        return text_of(self.title, self.content)

    @cached_property
    def hash(self) -> str:
        """Content hash: 32 hex digits that change with the title, the content or the metadata."""
        body = msgspec.json.encode([self.title, self.content, self.metadata], order="deterministic")
        return blake2b(body, digest_size=16).hexdigest()


def from_record(record: Mapping[str, Any], *, id_field: str = "id") -> Document:
    """Convert a record to a document by the default rules."""
    return read_record(record, USUAL if id_field == "id" else Reading(id=id_field))[0]


def read_record(record: Mapping[str, Any], reading: Reading) -> tuple[Document, TextFields]:
    """Convert a record to a document; also return the fields of its texts.

    Texts become plain. A field called `title`, `name`, `content`, `body`, `description` or `text` is text only; every
    other field is metadata, even if it is searched. Raises `InvalidInput` for the field if the id is missing or a value
    is not usable.
    """
    if not isinstance(record, Mapping):
        raise InvalidInput(f"record: expected an object with fields, got {type(record).__name__}", field="record")
    fields = dict(record)
    own = identity(fields.pop(reading.id, None), reading.id)
    fields = converted(fields, reading.fields)
    chosen = text_fields(fields, reading)
    title = text_value(fields.get(chosen.title), chosen.title, reading) if chosen.title else ""
    content = joined_texts(fields, chosen.content, reading)
    rest = {name: value for name, value in fields.items() if not _is_text_only(name, value, chosen)}
    return Document(own, title, content, usable_metadata(rest)), chosen


def identity(value: Any, field: str) -> str:
    """Convert a value to an id: a text, or a whole number as text, also one written as `1.0`. Raises `InvalidInput`."""
    if value is None or value == "":
        raise InvalidInput(f"{field}: the record has none; give each document an id of its own", field=field)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"{field}: expected a text or a whole number, got {type(value).__name__}", field=field)
    check_value(value, field)
    own = str(value)
    if len(own) > MAX_ID_CHARS:
        raise InvalidInput(f"{field}: it has {len(own)} characters; use at most {MAX_ID_CHARS}", field=field)
    return own


def joined_texts(fields: Mapping[str, Any], names: Iterable[str], reading: Reading) -> str:
    """Return the plain texts of several fields, joined by line breaks."""
    return "\n".join(part for name in names if (part := text_value(fields.get(name), name, reading)))


def text_value(value: Any, field: str, reading: Reading) -> str:
    """Return the plain text of a value: a text, a number as text, or the lines of a list of texts. Raises
    `InvalidInput`.
    """
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = "\n".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidInput(f"{field}: expected a text, got {type(value).__name__}", field=field)
    check_value(value, field)
    return plain_text(value, reading.format) if isinstance(value, str) else str(value)


def usable_metadata(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields after a JSON round trip, so that a restart changes nothing."""
    usable: dict[str, Any] = round_tripped(dict(fields), "")
    return usable


def is_first_name(name: str) -> bool:
    """Tell whether a field of this name is text only."""
    return plain_name(name) in _FIRST_NAMES


def _is_text_only(name: Any, value: Any, chosen: TextFields) -> bool:
    if not isinstance(name, str) or not is_first_name(name):
        return False
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or name == chosen.title
        or name in chosen.content
    )
