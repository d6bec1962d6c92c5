"""Import of LanceDB, in this module only."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

from fleetfold_child.node.process_environment import prepare_process

__all__ = ["lancedb", "session"]


_INDEX_CACHE_BYTES = 128 * 1024 * 1024
_METADATA_CACHE_BYTES = 16 * 1024 * 1024


@cache
def lancedb() -> ModuleType:
    """Import LanceDB, which takes over a second: call this off the event loop first."""
    prepare_process()
    import lancedb as module

    return module


@cache
def session() -> Any:
    """Return one bounded cache for all tables of the process: the default one leaks handles at each optimize."""
    return lancedb().Session(_INDEX_CACHE_BYTES, _METADATA_CACHE_BYTES)
