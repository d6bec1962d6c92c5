"""Whether a callback is allowed, as the verbs ask it."""

from __future__ import annotations

from collections.abc import Callable

from fleetfold_shared.messages import Callback

__all__ = ["CheckCallback", "anywhere"]

CheckCallback = Callable[[Callback | None], None]
"""Raises `InvalidInput`, which names the field, for one that is not."""


def anywhere(_callback: Callback | None) -> None:
    """All are."""
