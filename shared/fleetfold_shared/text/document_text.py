"""Text of a document for analysis and embedding."""

from __future__ import annotations

__all__ = ["text_of"]


def text_of(title: str, content: str) -> str:
    """Return `title. content`, or the one that is not empty."""
    return ". ".join(part for part in (title, content) if part)
