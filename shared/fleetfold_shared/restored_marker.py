"""The file beside a database that a backup was restored to: what a master knows its database by as an old copy."""

from __future__ import annotations

import msgspec

__all__ = ["MARKER", "RestoredMarker"]

MARKER = "restored.json"


class RestoredMarker(msgspec.Struct, frozen=True):
    """`restored.json` beside a restored database: its backup, and the instant of the copy; times are Unix seconds."""

    backup: str
    part: str
    taken_at: float
    restored_at: float
