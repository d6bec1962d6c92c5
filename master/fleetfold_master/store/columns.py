"""What the rows of several rooms have in common: how a value stands in a column, and how many keys are read at once."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

__all__ = ["KEYS_AT_ONCE", "as_json", "digest"]

KEYS_AT_ONCE = 500
"""So many keys are named in one statement: databases bound its parameters."""


def as_json(value: Any) -> str:
    """A value as a column of text holds it."""
    return msgspec.json.encode(value).decode()


def digest(value: Any) -> str:
    """What tells a value from another, of 64 hexadecimal characters; the order of keys is none of its content."""
    return sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
