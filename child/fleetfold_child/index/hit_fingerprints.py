"""Fingerprints of hits, by which the master detects duplicates from several nodes."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from fleetfold_child.connectors.documents import Document
from fleetfold_shared.messages.search import Dedup, Fingerprints, ScoredDocument
from fleetfold_shared.text.declared_keys import DeclaredKey

__all__ = ["TRAITS", "with_fingerprints"]

TRAITS: Mapping[str, str] = {
    "color": "colour", "colour": "colour", "size": "size", "flavor": "flavour", "flavour": "flavour", "scent": "scent",
    "material": "material", "model": "model", "edition": "edition", "format": "format", "condition": "condition",
    "language": "language",
}  # fmt: skip
"""Fields that distinguish variants of a product with the same text, by the name used in messages."""

_MAX_TRAIT_CHARS = 100


def with_fingerprints(
    hit: ScoredDocument,
    document: Document,
    vector: NDArray[np.float32] | None,
    keys: Sequence[DeclaredKey],
    dedup: Dedup,
) -> ScoredDocument:
    """Return the hit with its fingerprints, computed from the whole document because the hit's texts may be cut."""
    if dedup == "off":
        return hit
    tokens = [token for key in keys if (token := key.token(document.metadata))]
    near = vector is not None and dedup == "near"
    packed = np.asarray(vector, dtype="<f2").tobytes() if near else None
    return replace(hit, marks=Fingerprints(_digest(document), tokens, _traits(document.metadata), packed))


def _digest(document: Document) -> bytes | None:
    """Return the digest of the text; `None` without a text, since all such documents would be duplicates."""
    title, content = _folded(document.title), _folded(document.content)
    return blake2b(f"{title}\n{content}".encode(), digest_size=16).digest() if title or content else None


def _folded(text: str) -> str:
    """Normalise a text: NFC, case-folded, white space as single blanks."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return " ".join(text.casefold().split())


def _traits(metadata: Mapping[str, Any]) -> dict[str, str]:
    found = {name: metadata[field] for field, name in TRAITS.items() if field in metadata}
    folded = {name: _folded(str(value)) for name, value in found.items() if isinstance(value, str | int | float)}
    return {name: value[:_MAX_TRAIT_CHARS] for name, value in folded.items() if value}
