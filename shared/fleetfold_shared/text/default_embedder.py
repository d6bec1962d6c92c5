"""The name of the default embedder, for those that only name it: `embedding` imports NumPy, this does not."""

from __future__ import annotations

__all__ = ["DEFAULT_EMBEDDER"]

DEFAULT_EMBEDDER = "wordllama-256"
