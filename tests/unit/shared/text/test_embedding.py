from __future__ import annotations

import logging

import numpy as np
import pytest

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.text.embedding import load_embedder, pack, register_embedder, unpack
from support.search import WordBag


def test_wordllama_gives_unit_rows_and_zeros_for_nothing() -> None:
    vectors = load_embedder().embed(["a red shoe", "", "赤い靴"])
    assert vectors.shape == (3, 256)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1], abs=1e-6)


def test_a_row_depends_on_its_text_alone() -> None:
    embedder = load_embedder()
    among_others = embedder.embed(["a red shoe", "very long text " * 500, "x"])
    assert (embedder.embed(["a red shoe"])[0] == among_others[0]).all()


def test_loading_leaves_the_root_logger_alone() -> None:
    before = logging.getLogger().handlers[:]
    load_embedder()
    assert logging.getLogger().handlers == before


def test_an_embedder_is_loaded_once() -> None:
    assert load_embedder() is load_embedder()


def test_an_embedder_can_be_registered_or_named_by_its_import() -> None:
    register_embedder("mine", WordBag)
    assert load_embedder("mine").dimensions == 16
    assert load_embedder("support.search:WordBag").name == "word-bag-16"


@pytest.mark.parametrize("name", ["nope", "support.search:Nope", "no_such_module:x", "support.search:document"])
def test_an_unknown_embedder_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidInput, match=name.split(":", maxsplit=1)[0]):
        load_embedder(name)


def test_a_vector_travels_as_little_endian_float32() -> None:
    assert pack(np.array([1.0, -2.0])) == b"\x00\x00\x80?\x00\x00\x00\xc0"
    assert unpack(pack(np.array([1.0, -2.0]))).tolist() == [1.0, -2.0]


@pytest.mark.parametrize("data", [b"123", np.array([np.inf], dtype="<f4").tobytes()])
def test_bytes_that_are_no_vector_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="vector"):
        unpack(data)
