"""Incremental vacuum of an SQLite file, in small steps, so that writers wait only briefly.

Works only for a file created with `auto_vacuum=INCREMENTAL`, or vacuumed once since that was set.
"""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["SMALL_BYTES", "STEP_PAGES", "Executes", "free_some", "make_incremental"]

STEP_PAGES = 500
"""Most pages freed at once: 2 MB."""
SPARE_PAGES = 1000
"""Free pages that are kept for new rows: shrinking and growing all day gains nothing."""
SMALL_BYTES = 64 * 1024**2
"""Largest file that is vacuumed whole, once, at the start: less than a second."""
_INCREMENTAL = 2


class Executes(Protocol):
    """The part of an SQLite connection that is used here."""

    def execute(self, sql: str, /) -> Any: ...


def make_incremental(connection: Executes) -> None:
    """Turn on incremental vacuum; call at each start, before anything else, outside of a transaction.

    A new file takes the setting at once. An older one is rewritten once if it is small; in a large one, space is reused
    but not freed.
    """
    if _number(connection, "auto_vacuum") == _INCREMENTAL:
        return
    pages = _number(connection, "page_count")
    connection.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
    if 0 < pages * _number(connection, "page_size") <= SMALL_BYTES:
        connection.execute("VACUUM")


def free_some(connection: Executes, pages: int = STEP_PAGES) -> bool:
    """Free at most `pages` unused pages; return whether there are more."""
    if _number(connection, "auto_vacuum") != _INCREMENTAL:
        return False
    spare = _number(connection, "freelist_count") - SPARE_PAGES
    if spare <= 0:
        return False
    for _ in range(min(pages, spare)):  # Python reads no rows of a pragma without columns, so each frees one page
        connection.execute("PRAGMA incremental_vacuum(1)")
    return spare > pages


def _number(connection: Executes, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
