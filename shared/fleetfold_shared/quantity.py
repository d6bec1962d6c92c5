"""So many of a number, or a share of it: `3`, `25%`."""

from __future__ import annotations

__all__ = ["share_of"]


def share_of(share: str, whole: int) -> int:
    """How many of `whole` a `Share` is: at most all of them, a percentage rounded up."""
    if share.endswith("%"):
        return -(-whole * int(share[:-1]) // 100)
    return min(int(share), whole)
