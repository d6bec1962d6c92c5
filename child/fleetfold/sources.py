"""Where a collection's documents come from, and which of those sources have been read already."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fleetfold_broker.secretfile import replace
from fleetfold_child.sources import Records, open_source

__all__ = ["Source", "SourceLog", "records"]

Source = str | Path | Callable[[], AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]]
"""A JSONL or CSV file, or a function that gives the records, anew each time it is called."""


def records(source: Source) -> Records:
    """The records of `source`, from the beginning; `InvalidInput` for a file that is not there."""
    return open_source(source) if isinstance(source, str | Path) else source()


class SourceLog:
    """Which file each collection was read from, and how it looked then, in `file`.

    A file that has not changed is not read again: it would undo what actions have changed in the collection since.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: dict[str, list[Any]] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):  # what cannot be read costs reading the sources again
            self._seen = msgspec.json.decode(file.read_bytes(), type=dict[str, list[Any]])

    def is_known(self, collection: str, source: Source) -> bool:
        """Whether the collection was read from this very file before; never so for a function."""
        return self._seen.get(collection) == _looks(source) is not None

    def remember(self, collection: str, source: Source) -> None:
        """The collection has been read from `source`."""
        looks = _looks(source)
        if looks is not None:
            self._seen[collection] = looks
            replace(self._file, msgspec.json.encode(self._seen))


def _looks(source: Source) -> list[Any] | None:
    if not isinstance(source, str | Path) or not Path(source).exists():
        return None
    status = Path(source).stat()
    return [str(Path(source).resolve()), status.st_size, status.st_mtime_ns]
