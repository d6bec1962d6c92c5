"""Name of the default embedder, in a module that does not import NumPy."""

from __future__ import annotations

__all__ = ["DEFAULT_EMBEDDER"]

DEFAULT_EMBEDDER = "wordllama-256"
