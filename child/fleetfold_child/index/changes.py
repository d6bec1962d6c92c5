"""Changes of a collection, and the combined effect of a batch of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetfold_child.connectors.documents import USUAL, Document
from fleetfold_child.connectors.patches import patched
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import FleetfoldError, NotFound

__all__ = ["Change", "Patch", "Put", "Remove", "Resolution", "resolve"]


@dataclass(frozen=True, slots=True)
class Put:
    """Index a document, replacing the one with its id; with `force` also when both are equal."""

    document: Document
    force: bool = False

    @property
    def id(self) -> str:
        return self.document.id


@dataclass(frozen=True, slots=True)
class Patch:
    """Change some fields of a document."""

    id: str
    fields: Mapping[str, Any]
    reading: Reading = USUAL


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a document."""

    id: str


Change = Put | Patch | Remove


@dataclass(frozen=True, slots=True)
class Resolution:
    """Effect of a batch. `results` has for each change whether it changed anything, or its error.

    `upserts` and `removed` are to be written for all changes together: each id at most once, without unchanged
    documents.
    """

    results: list[bool | FleetfoldError]
    upserts: list[Document]
    removed: list[str]


def resolve(
    changes: Sequence[Change], hashes: Mapping[str, str], documents: Mapping[str, Document], collection: str
) -> Resolution:
    """Apply changes in order to the stored documents: `hashes` of all ids they name, `documents` of those to patch."""
    after: dict[str, Document | None] = {}
    results: list[bool | FleetfoldError] = []
    forced: set[str] = set()
    for change in changes:
        there = after[change.id] if change.id in after else documents.get(change.id)
        before = _hash(after[change.id]) if change.id in after else hashes.get(change.id)
        try:
            document = _outcome(change, there, collection)
        except FleetfoldError as refusal:
            results.append(refusal)
            continue
        force = isinstance(change, Put) and change.force
        forced |= {change.id} if force else set()
        results.append(force or _hash(document) != before)
        after[change.id] = document
    written = {one: document for one, document in after.items() if one in forced or _hash(document) != hashes.get(one)}
    return Resolution(
        results,
        upserts=[document for document in written.values() if document is not None],
        removed=[one for one, document in written.items() if document is None],
    )


def _outcome(change: Change, there: Document | None, collection: str) -> Document | None:
    if isinstance(change, Put):
        return change.document
    if isinstance(change, Remove):
        return None
    if there is None:
        raise NotFound(f"id: {collection} has no document {change.id[:80]!r}; index it first", field="id")
    return patched(there, change.fields, change.reading)


def _hash(document: Document | None) -> str | None:
    return document.hash if document is not None else None
