"""The environment LanceDB and NumPy want, and the one place that imports LanceDB."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["ENVIRONMENT", "lancedb", "session"]

ENVIRONMENT: Mapping[str, str] = {
    "LANCEDB_LOG": "error",
    "LANCE_LOG": "error",
    "MALLOC_ARENA_MAX": "2",  # a child with 10,000 documents stays under 300 MB; glibc reads it at process start
    "OPENBLAS_NUM_THREADS": "1",  # one query's product is too small to share; read when NumPy is imported
}
"""For whoever starts a child's process to put into its environment; `lancedb` sets what is missing, where it helps."""

_INDEX_CACHE_BYTES = 128 * 1024 * 1024
_METADATA_CACHE_BYTES = 16 * 1024 * 1024


@cache
def lancedb() -> ModuleType:
    """LanceDB itself. It takes over a second to import: call this off the event loop first."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import lancedb as module

    return module


@cache
def session() -> Any:
    """One bounded cache for all tables of the process: the default one leaks handles at each optimize."""
    return lancedb().Session(_INDEX_CACHE_BYTES, _METADATA_CACHE_BYTES)
