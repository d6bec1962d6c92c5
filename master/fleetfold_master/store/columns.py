"""What the rows of several rooms have in common."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["KEYS_AT_ONCE", "as_json"]

KEYS_AT_ONCE = 500
"""So many keys are named in one statement: databases bound its parameters."""


def as_json(value: Any) -> str:
    """A value as a column of text holds it."""
    return msgspec.json.encode(value).decode()
