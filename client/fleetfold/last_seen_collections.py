"""Log of a data directory's collections: what each held when it was last open.

LanceDB opens a table whose newest files are gone as an older one, and a missing table as a new one. The log shows both.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from fleetfold_broker.secret_file import replace

__all__ = ["COLLECTIONS", "CollectionLog", "Seen"]

COLLECTIONS = "collections.json"


class Seen(msgspec.Struct, frozen=True):
    """A collection's number of documents and its table's version, as of the last start or stop."""

    documents: int
    version: int


class CollectionLog:
    """The log in `file`. One that is missing or unreadable knows nothing, and is written anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: dict[str, Seen] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            self._seen = msgspec.json.decode(file.read_bytes(), type=dict[str, Seen])

    def known(self, name: str) -> Seen | None:
        """Return what a collection held; None for a new one."""
        return self._seen.get(name)

    def remember(self, name: str, seen: Seen) -> None:
        """Record what a collection holds now."""
        if self._seen.get(name) != seen:
            self._seen[name] = seen
            replace(self._file, msgspec.json.encode(self._seen))
