"""A document, and how the records of an application become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import msgspec

from fleetfold_shared.documenttext import text_of
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.values import carried, check_value

__all__ = ["CONTENT_FIELDS", "MAX_ID_CHARS", "TITLE_FIELDS", "Document", "from_record", "patched"]

TITLE_FIELDS = ("title", "name")
"""The first of these that a record has is its title; the other stays in the metadata."""

CONTENT_FIELDS = ("content", "body", "description", "text")
"""Those of these that a record has are its content, in this order, a line break between them."""

MAX_ID_CHARS = 512


@dataclass(frozen=True)
class Document:
    """One document of a collection. `metadata` is what JSON can hold, and is not to be changed in place."""

    id: str
    title: str
    content: str
    metadata: dict[str, Any]

    @cached_property
    def text(self) -> str:
        """What is analysed and embedded: `title. content`, or the one of them that there is."""
        return text_of(self.title, self.content)

    @cached_property
    def hash(self) -> str:
        """32 hexadecimal digits that change with the title, the content or the metadata."""
        body = msgspec.json.encode([self.title, self.content, self.metadata], order="deterministic")
        return blake2b(body, digest_size=16).hexdigest()


def from_record(record: Mapping[str, Any], *, id_field: str = "id") -> Document:
    """The document a record stands for. Whatever is not its id, title or content is its metadata.

    Raises `InvalidInput` that names the field if the id is missing or a value is not usable.
    """
    if not isinstance(record, Mapping):
        raise InvalidInput(f"record: expected an object with fields, got {type(record).__name__}", field="record")
    fields = dict(record)
    identity = _identity(fields.pop(id_field, None), id_field)
    title_field = next((name for name in TITLE_FIELDS if fields.get(name) is not None), None)
    title = _text(fields.pop(title_field), title_field) if title_field else ""
    content = _content(fields)
    for name in (*TITLE_FIELDS, *CONTENT_FIELDS):
        if name in fields and (fields[name] is None or name in CONTENT_FIELDS):
            del fields[name]
    return Document(identity, title, content, _metadata(fields))


def patched(document: Document, fields: Mapping[str, Any]) -> Document:
    """`document` with some fields changed; a field set to None is emptied, in the metadata it is removed.

    A title field replaces the title and content fields replace the whole content; the id cannot change.
    """
    if "id" in fields and str(fields["id"]) != document.id:
        raise InvalidInput("id: a document's id cannot change; delete it and index it anew", field="id")
    changes: dict[str, Any] = {}
    title_field = next((name for name in TITLE_FIELDS if name in fields), None)
    if title_field:
        changes["title"] = _text(fields[title_field], title_field)
    if any(name in fields for name in CONTENT_FIELDS):
        changes["content"] = _content(fields)
    rest = {name: value for name, value in fields.items() if name not in {"id", title_field, *CONTENT_FIELDS}}
    merged = _metadata({**document.metadata, **rest})
    kept = {name: value for name, value in merged.items() if name not in rest or value is not None}
    return replace(document, **changes, metadata=kept)


def _identity(value: Any, field: str) -> str:
    if value is None or value == "":
        raise InvalidInput(f"{field}: the record has none; give each document an id of its own", field=field)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"{field}: expected a text or a whole number, got {type(value).__name__}", field=field)
    identity = _text(value, field)
    if len(identity) > MAX_ID_CHARS:
        raise InvalidInput(f"{field}: it has {len(identity)} characters; use at most {MAX_ID_CHARS}", field=field)
    return identity


def _content(fields: Mapping[str, Any]) -> str:
    return "\n".join(part for name in CONTENT_FIELDS if (part := _text(fields.get(name), name)))


def _text(value: Any, field: str) -> str:
    """A text, a number as text, or the lines of a list of texts."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = "\n".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidInput(f"{field}: expected a text, got {type(value).__name__}", field=field)
    check_value(value, field)
    return str(value)


def _metadata(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as JSON gives them back, so that a restart changes nothing."""
    kept: dict[str, Any] = carried(fields, "")
    return kept
