"""The check of callback addresses that verbs apply, and its default."""

from __future__ import annotations

from collections.abc import Callable

from fleetfold_shared.messages import Callback

__all__ = ["CheckCallback", "anywhere"]

CheckCallback = Callable[[Callback | None], None]
"""Raises `InvalidInput`, naming the field, for a callback that is not allowed."""


def anywhere(_callback: Callback | None) -> None:
    """Allow every callback."""
