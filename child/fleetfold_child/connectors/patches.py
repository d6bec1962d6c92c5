"""Patches: changes of some fields of a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fleetfold_child.connectors.common_field_names import CONTENT, MORE_CONTENT, MORE_TITLES, TITLES, plain_name
from fleetfold_child.connectors.documents import (
    USUAL,
    Document,
    is_first_name,
    joined_texts,
    text_value,
    usable_metadata,
)
from fleetfold_child.connectors.text_fields import is_prose
from fleetfold_child.connectors.value_conversion import converted
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["patched"]


def patched(document: Document, fields: Mapping[str, Any], reading: Reading = USUAL) -> Document:
    """Return `document` with some fields changed; `None` empties a field, and removes one of the metadata.

    `title` or `name` replaces the title; `content`, `body`, `description` and `text` replace the whole content. Another
    field that the document's texts come from replaces its own part of them. The id cannot change.
    """
    for name in {"id", reading.id} & fields.keys():
        if str(fields[name]) != document.id:
            raise InvalidInput(f"{name}: a document's id cannot change; delete it and index it anew", field=name)
    given = converted({name: value for name, value in fields.items() if name not in {"id", reading.id}}, reading.fields)
    title_field = _title_field(document, given, reading)
    title = document.title if title_field is None else text_value(given[title_field], title_field, reading)
    content = _content(document, {name: value for name, value in given.items() if name != title_field}, reading)
    texts = {name for name in given if is_first_name(name) and (name == title_field or _is_content(name, reading))}
    rest = {name: value for name, value in given.items() if name not in texts}
    merged = usable_metadata({**document.metadata, **rest})
    metadata = {name: value for name, value in merged.items() if name not in rest or value is not None}
    return replace(document, title=title, content=content, metadata=metadata)


def _title_field(document: Document, given: Mapping[str, Any], reading: Reading) -> str | None:
    """Return the field that changes the title; a less common name counts only where the title comes from it."""
    if reading.title is not None:
        return reading.title if reading.title in given else None
    known = {plain_name(name): name for name in reversed(list(given))}
    first = next((known[name] for name in TITLES if name in known), None)
    if first is not None:
        return first
    more = (known[name] for name in MORE_TITLES if name in known)
    return next((one for one in more if _is_title(document, one, reading)), None)


def _is_title(document: Document, name: str, reading: Reading) -> bool:
    if reading.text and name not in reading.text:
        return False
    return not document.title or _old_text(document, name, reading) == document.title


def _is_content(name: str, reading: Reading) -> bool:
    return name in reading.text if reading.text else plain_name(name) in CONTENT


def _content(document: Document, given: Mapping[str, Any], reading: Reading) -> str:
    if reading.text:
        return _declared_content(document, given, reading)
    known = {plain_name(name): name for name in reversed(list(given))}
    whole = [known[name] for name in CONTENT if name in known]
    if whole:
        return joined_texts(given, whole, reading)
    content = document.content
    for name, value in given.items():
        old = _old_text(document, name, reading)
        if (plain_name(name) in MORE_CONTENT or is_prose(old)) and _is_part(old, content):
            content = _replaced(content, old, text_value(value, name, reading))
    return content


def _declared_content(document: Document, given: Mapping[str, Any], reading: Reading) -> str:
    """Rebuild the content from the declared fields: those given, and the others from the metadata."""
    names = [name for name in reading.text if name != reading.title]
    if not given.keys() & set(names):
        return document.content
    before = joined_texts(document.metadata, names, reading)
    missing = [name for name in names if is_first_name(name) and name not in given]
    if missing and document.content != before:
        raise InvalidInput(
            f"{missing[0]}: the content is made of {', '.join(names)}; give all of them", field=missing[0]
        )
    return joined_texts({**document.metadata, **given}, names, reading)


def _old_text(document: Document, name: str, reading: Reading) -> str:
    value = document.metadata.get(name)
    return text_value(value, name, reading) if isinstance(value, str) else ""


def _is_part(part: str, content: str) -> bool:
    """Tell whether `part` is some whole lines of the content; an empty one only of an empty content."""
    return f"\n{part}\n" in f"\n{content}\n" if part else not content


def _replaced(content: str, old: str, new: str) -> str:
    if not old:
        return new
    return f"\n{content}\n".replace(f"\n{old}\n", f"\n{new}\n" if new else "\n", 1).strip("\n")
