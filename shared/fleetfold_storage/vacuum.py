"""Giving back the space of deleted rows in an SQLite file, a little at a time, so that nobody waits long.

A file does so only if it was made with `auto_vacuum=INCREMENTAL`, or vacuumed once since that was set.
"""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["SMALL_BYTES", "STEP_PAGES", "Executes", "free_some", "make_incremental"]

STEP_PAGES = 500
"""How much is given back at once: 2 MB."""
SPARE_PAGES = 1000
"""So much is left for rows to come: a file that shrinks and grows all day gains nothing."""
SMALL_BYTES = 64 * 1024**2
"""A file up to this size is vacuumed whole, once, at the start: it takes less than a second."""
_INCREMENTAL = 2


class Executes(Protocol):
    """What is needed of an SQLite connection."""

    def execute(self, sql: str, /) -> Any: ...


def make_incremental(connection: Executes) -> None:
    """Have the file give back its space; called at each start, before anything else, outside of a transaction.

    A new file takes it at once. An older one is rewritten once if it is small; a large one stays as it is, and its
    space is used again but not given back.
    """
    if _number(connection, "auto_vacuum") == _INCREMENTAL:
        return
    pages = _number(connection, "page_count")
    connection.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
    if 0 < pages * _number(connection, "page_size") <= SMALL_BYTES:
        connection.execute("VACUUM")


def free_some(connection: Executes, pages: int = STEP_PAGES) -> bool:
    """Give back at most so many unused pages; whether there is more to give back."""
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
