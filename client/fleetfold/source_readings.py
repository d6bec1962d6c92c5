"""Sources of collections, and the log of which have been read."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from fleetfold_broker.secret_file import replace
from fleetfold_child.connectors.files import Records, check_file
from fleetfold_child.connectors.markup import READER
from fleetfold_child.connectors.reading_summary import SourceState
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.exception_text import named_text

__all__ = ["Source", "SourceLog", "check_source", "records"]

Given = AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]
Source = str | Path | Callable[[], Given | Awaitable[Given]]
"""A JSON, JSONL or CSV file, or a function that gives the records, anew each time it is called."""

_WRONG: tuple[tuple[Callable[[object], bool], str], ...] = (
    (inspect.iscoroutine, "a coroutine; give the async function itself, without calling it"),
    (inspect.isgenerator, "a generator, which can be read once; give the function itself, without calling it"),
    (inspect.isasyncgen, "an async generator, which can be read once; give the function itself, without calling it"),
    (lambda one: isinstance(one, bytes | bytearray), "bytes; give a path as text, or a function that returns records"),
    (lambda one: isinstance(one, Mapping), "a dict; give a path, or a function that returns records: lambda: [record]"),
    (lambda one: isinstance(one, Iterable), "a {kind}; give a path, or a function that returns it: lambda: records"),
)


def check_source(source: object, collection: str) -> None:
    """Raise `InvalidInput` unless it is a path, or a function that can be called without arguments."""
    if source is None or isinstance(source, str | Path):
        return
    kind = type(source).__name__
    for is_such, what in _WRONG:
        if is_such(source):
            raise _refused(collection, what.format(kind=kind))
    if not callable(source):
        raise _refused(collection, f"of type {kind}; give a path, or a function that returns or yields records")
    with contextlib.suppress(ValueError):  # a built-in that does not tell its parameters
        for one in inspect.signature(source).parameters.values():
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
                raise _refused(collection, f"a function that needs {one.name!r}; give one without parameters")


async def records(source: Source, collection: str = "docs") -> Records:
    """The records of `source`, from the beginning. Raises `InvalidInput` for a missing file, and for a function that
    raises or does not return records."""
    if isinstance(source, str | Path):
        return check_file(source)
    try:
        found = source()
        given = await found if inspect.isawaitable(found) else found
    except Exception as error:
        why = named_text(error)[:300]
        raise InvalidInput(f"the source of {collection} raised {why}", field="source") from error
    if isinstance(given, str | bytes | Mapping | Path) or not isinstance(given, AsyncIterable | Iterable):
        what = "nothing" if given is None else f"a value of type {type(given).__name__}"
        why = f"the source of {collection} returned {what}; it must return or yield records, each a dict"
        raise InvalidInput(why, field="source")
    return cast("Records", given)


def _refused(collection: str, what: str) -> InvalidInput:
    return InvalidInput(f"collection {collection}: its source is {what}", field="source")


class _Entry(msgspec.Struct, frozen=True):
    """The state of a file when it was read, the options of reading, and the report."""

    looks: list[Any]
    state: SourceState


class SourceLog:
    """Stores in `file` which source file each collection was read from, and the file's state at that time.

    An unchanged file is not read again, because that would undo later changes by actions; unless its options have
    changed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: dict[str, _Entry] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):  # what cannot be read costs reading the sources again
            self._seen = msgspec.json.decode(file.read_bytes(), type=dict[str, _Entry])

    def known(self, collection: str, source: Source, reading: Reading) -> SourceState | None:
        """The report of this file in its present state and with these options; None if it was not read so."""
        entry = self._seen.get(collection)
        return entry.state if entry is not None and entry.looks == _looks(source, reading) else None

    def forget(self, collection: str) -> None:
        """Have the collection's source read again at the next filling."""
        if self._seen.pop(collection, None) is not None:
            replace(self._file, msgspec.json.encode(self._seen))

    def remember(self, collection: str, source: Source, reading: Reading, state: SourceState) -> None:
        """Record that the collection was read from `source`."""
        looks = _looks(source, reading)
        if looks is not None:
            self._seen[collection] = _Entry(looks, state)
            replace(self._file, msgspec.json.encode(self._seen))


def _looks(source: Source, reading: Reading) -> list[Any] | None:
    if not isinstance(source, str | Path) or not Path(source).exists():
        return None
    status = Path(source).stat()
    how = msgspec.json.encode(reading, order="deterministic").decode()
    return [str(Path(source).resolve()), status.st_size, status.st_mtime_ns, READER, how]
