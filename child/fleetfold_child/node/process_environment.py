"""Process environment for LanceDB and NumPy, to be set before either is imported."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

__all__ = ["ENVIRONMENT", "prepare_process"]

ENVIRONMENT: Mapping[str, str] = {
    "LANCEDB_LOG": "error",
    "LANCE_LOG": "error",
    "OPENBLAS_NUM_THREADS": "1",  # one query's product is too small to share; threads that spin cost ten times as much
}
M_ARENA_MAX = -8  # from malloc.h
ARENAS = 2  # keeps a child with 10,000 documents under 300 MB


def prepare_process() -> None:
    """Set variables that are not set. Call it before NumPy is imported; later it is only partly effective."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; musl has none
        if mallopt is not None:
            mallopt(M_ARENA_MAX, ARENAS)
