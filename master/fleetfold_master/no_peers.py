"""Stubs for a master without peers."""

from __future__ import annotations

__all__ = ["tell_nobody"]


async def tell_nobody(*_news: object) -> None:
    """Do nothing: there is no peer to notify."""
