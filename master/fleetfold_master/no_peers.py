"""A master that is alone."""

from __future__ import annotations

__all__ = ["tell_nobody"]


async def tell_nobody(*_news: object) -> None:
    """There is no other master that could be told."""
