"""Document stream of a source, in batches; blocking and long work is done in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator
from contextlib import aclosing, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fleetfold_child.connectors.documents import Document, identity, read_record
from fleetfold_child.connectors.files.file_formats import file_rows
from fleetfold_child.connectors.files.source_items import Item, Problem, SourceNote, SourceRow
from fleetfold_child.connectors.text_fields import TextFields
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.exception_text import named_text

__all__ = ["Found", "Read", "read_documents"]

_AT_ONCE = 500  # records; to read so many takes a few milliseconds of a thread


@dataclass(frozen=True, slots=True)
class Read:
    """A document with its place, the fields of its texts, and the names of all its fields."""

    place: str
    document: Document
    texts: TextFields
    names: tuple[str, ...]


Found = Read | Problem | SourceNote

_NO_TEXTS = TextFields(None, ())


async def read_documents(records: Any, reading: Reading) -> AsyncGenerator[list[Found]]:
    """Yield the documents of a path or of an iterable of records, in order. Raises `InvalidInput` for anything else,
    for an unreadable file, and for an iterable that raises, after the documents before it.
    """
    rows = _in_threads(file_rows(records, reading)) if isinstance(records, str | Path) else _numbered(records)
    async with aclosing(rows):
        async for some in rows:
            yield await asyncio.to_thread(_read_all, some, reading)


def _read_all(items: list[Item], reading: Reading) -> list[Found]:
    return [_read(item, reading) if isinstance(item, SourceRow) else item for item in items]


def _read(row: SourceRow, reading: Reading) -> Found:
    if isinstance(row.record, Document):
        return Read(row.place, row.record, _NO_TEXTS, ())
    try:
        document, texts = read_record(row.record, reading)
    except InvalidInput as error:
        return Problem(row.place, error.message, _identity(row.record, reading))
    return Read(row.place, document, texts, tuple(map(str, row.record)))


def _identity(record: Any, reading: Reading) -> str | None:
    try:
        return identity(record.get(reading.id), reading.id)
    except (AttributeError, InvalidInput):
        return None


async def _in_threads(items: Generator[Item]) -> AsyncGenerator[list[Item]]:
    """Read a blocking generator in batches; an error follows the items before it."""
    with closing(_Reader(items)) as reader:
        while batch := await asyncio.to_thread(reader.some):
            yield batch
        if reader.error is not None:
            raise reader.error


class _Reader:
    """A blocking generator, read in batches."""

    def __init__(self, items: Generator[Item]) -> None:
        self._items = items
        self._reading = threading.Lock()  # a cancelled task leaves its thread reading: do not close under it
        self.error: InvalidInput | None = None

    def some(self) -> list[Item]:
        """Return the next items; none at the end or at an error, which is then in `error`."""
        batch: list[Item] = []
        with self._reading:
            try:
                batch.extend(islice(self._items, _AT_ONCE))  # keeps what came before an error
            except InvalidInput as error:
                self.error = error
        return batch

    def close(self) -> None:
        with self._reading:
            self._items.close()


async def _numbered(records: Any) -> AsyncGenerator[list[Item]]:
    """Number the records of an iterable from 1; it is iterated on the event loop that created it."""
    number, batch = 0, list[Item]()
    async with aclosing(_each(records)) as each:
        try:
            async for record in each:
                number += 1
                batch.append(SourceRow(f"record {number}", record))
                if len(batch) == _AT_ONCE:
                    yield batch
                    batch = []
        except FleetfoldError:
            raise
        except Exception as error:
            yield batch
            why = named_text(error)[:300]
            place = f"after record {number:,}" if number else "before its first record"
            raise InvalidInput(f"the source raised {why}, {place}", field="source") from error
    if batch:
        yield batch


async def _each(records: AsyncIterable[Any] | Iterable[Any]) -> AsyncGenerator[Any]:
    """Yield the items of a sync or async iterable; a generator is closed, also at an early end."""
    if isinstance(records, AsyncIterable):
        async with aclosing(records) if isinstance(records, AsyncGenerator) else nullcontext():
            async for record in records:
                yield record
        return
    with closing(records) if isinstance(records, Generator) else nullcontext():
        iterator: Iterator[Any] = iter(records)
        for record in iterator:
            yield record
