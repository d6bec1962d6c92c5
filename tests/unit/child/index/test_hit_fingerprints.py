"""What a node says of a hit, so that the master can tell whether it has it twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.hit_fingerprints import with_fingerprints
from fleetfold_shared.messages import Dedup, Fingerprints, Parts, ScoredDocument
from fleetfold_shared.text.declared_keys import declared_keys

VECTOR = np.array([0.6, 0.8], dtype=np.float32)


def marks(
    title: str, content: str, dedup: Dedup = "exact", keys: list[str] | None = None, **metadata: Any
) -> Fingerprints:
    hit = ScoredDocument("c", "1", 1.0, Parts(1.0, 0.0))
    found = with_fingerprints(
        hit, Document("1", title, content, metadata), VECTOR, declared_keys(keys or []), dedup
    ).marks
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("title", "content"),
    [("A  TENT", "Für zwei\n"), ("a tent", "fu\u0308r zwei"), (" A tent", "FÜR\tZWEI"), ("A\u00a0tent", "für zwei")],
)
def test_case_white_space_and_composition_do_not_change_the_digest(title: str, content: str) -> None:
    assert marks(title, content).digest == marks("a tent", "für zwei").digest


@pytest.mark.parametrize(("title", "content"), [("a tent", "for three"), ("", "a tent for two"), ("a tent for", "two")])
def test_other_texts_have_other_digests(title: str, content: str) -> None:
    assert marks(title, content).digest != marks("a tent", "for two").digest


def test_documents_without_a_text_are_not_all_the_same() -> None:
    assert marks(" ", "").digest is None


def test_a_hit_is_marked_as_far_as_the_ask_wants_it() -> None:
    hit = ScoredDocument("c", "1", 1.0, Parts(1.0, 0.0))
    assert with_fingerprints(hit, Document("1", "a", "b", {}), VECTOR, [], "off") is hit
    assert marks("a", "b").vector is None
    vector = marks("a", "b", "near").vector
    assert vector is not None
    assert np.allclose(np.frombuffer(vector, dtype="<f2"), VECTOR, atol=1e-3)


def test_declared_keys_and_traits_are_taken_from_the_metadata() -> None:
    found = marks("a", "b", keys=["sku", "gtin"], sku="S1", gtin="no number", Color="x", color=" Dark  RED", size=42)
    assert found.keys == ["sku:sku:S1"]
    assert found.traits == {"colour": "dark red", "size": "42"}
    assert len(found.digest or b"") == 16
