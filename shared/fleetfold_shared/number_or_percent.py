"""Quantities given as a number or a percentage: `3`, `25%`."""

from __future__ import annotations

__all__ = ["share_of"]


def share_of(share: str, whole: int) -> int:
    """Return the quantity that `share` means of `whole`: at most all, percentages rounded up."""
    if share.endswith("%"):
        return -(-whole * int(share[:-1]) // 100)
    return min(int(share), whole)
