"""Callback arguments: a URL, or an event type."""

from __future__ import annotations

from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.messages import Callback

__all__ = ["callback"]


def callback(text: str | None) -> Callback | None:
    """Parse a callback. Raises `InvalidInput`, naming the field."""
    if text is None:
        return None
    return convert_to({"url" if "://" in text else "type": text}, Callback, "callback")
