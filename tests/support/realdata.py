"""Real texts for the tests: the collections below the folder that `FLEETFOLD_TEST_DATA` names.

Each is a folder in the form that `bench/retrieval.py` reads. Tests take a seeded sample, and `FLEETFOLD_EFFORT`
enlarges it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from fleetfold_child.connectors.documents import Document, from_record

__all__ = ["real_documents", "real_queries"]

VARIABLE = "FLEETFOLD_TEST_DATA"


def real_documents(collection: str) -> list[Document]:
    """All documents of a collection; skips the test where no data are named."""
    return [from_record(msgspec.json.decode(line)) for line in _lines(collection, "docs.jsonl")]


def real_queries(collection: str) -> list[str]:
    """All queries of a collection; skips the test where no data are named."""
    return [msgspec.json.decode(line)["text"] for line in _lines(collection, "queries.jsonl")]


def _lines(collection: str, name: str) -> list[bytes]:
    folder = os.environ.get(VARIABLE, "")
    if not folder:
        pytest.skip(f"{VARIABLE} is not set: nothing is tried on the real texts of {collection}")
    file = Path(folder) / collection / name
    assert file.is_file(), f"{VARIABLE} names {folder}, which has no {collection}/{name}"
    return file.read_bytes().splitlines()
