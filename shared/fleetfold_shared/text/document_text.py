"""The text of a document, as it is analysed and embedded wherever that is done."""

from __future__ import annotations

__all__ = ["text_of"]


def text_of(title: str, content: str) -> str:
    """`title. content`, or the one of them that there is."""
    return ". ".join(part for part in (title, content) if part)
