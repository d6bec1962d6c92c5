"""Where documents come from: JSONL, CSV, or any iterable of records. Files are read off the event loop."""

from __future__ import annotations

import asyncio
import csv
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import aclosing, closing, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from fleetfold_child.documents import Document, from_record
from fleetfold_shared.errors import InvalidInput

__all__ = ["Records", "csv_file", "documents", "jsonl_file", "open_source"]

Records = AsyncIterable[Mapping[str, Any] | Document] | Iterable[Mapping[str, Any] | Document]

_READ_AHEAD = 500  # documents; a read of this many takes a few milliseconds of a thread


def open_source(path: str | Path, *, id_field: str = "id") -> AsyncIterator[Document]:
    """The documents of a file, by its suffix: `.jsonl` or `.ndjson`, `.csv` or `.tsv`.

    Raises `InvalidInput` at once when there is no such file or its form is not known; while reading, for a line that
    is malformed, with file, line number and reason.
    """
    path = Path(path)
    if not path.is_file():
        why = "it is a folder" if path.is_dir() else "there is no such file"
        raise InvalidInput(f"{path}: {why}; give the path of a .jsonl or .csv file", field="path")
    suffix = path.suffix.lower()
    if suffix in {".jsonl", ".ndjson"}:
        return jsonl_file(path, id_field=id_field)
    if suffix in {".csv", ".tsv"}:
        return csv_file(path, id_field=id_field, delimiter="\t" if suffix == ".tsv" else ",")
    raise InvalidInput(f"{path}: its form is not known; use a .jsonl, .ndjson, .csv or .tsv file", field="path")


def jsonl_file(path: str | Path, *, id_field: str = "id") -> AsyncIterator[Document]:
    """One JSON object a line, UTF-8; empty lines are skipped."""
    return _in_a_thread(lambda: _jsonl(Path(path), id_field))


def csv_file(path: str | Path, *, id_field: str = "id", delimiter: str = ",") -> AsyncIterator[Document]:
    """A header line, then one record a row, UTF-8; every value is a text, and empty ones are left out."""
    return _in_a_thread(lambda: _csv(Path(path), id_field, delimiter))


async def documents(records: Records, *, id_field: str = "id") -> AsyncGenerator[Document]:
    """The documents of any iterable of records; an error says which record it was, counted from 1.

    An asynchronous generator is closed at the end, also when the end comes early.
    """
    if isinstance(records, AsyncIterable):
        number = 0
        async with aclosing(records) if isinstance(records, AsyncGenerator) else nullcontext():
            async for record in records:
                number += 1
                yield _from(record, f"record {number}", id_field)
        return
    for number, record in enumerate(records, 1):
        yield _from(record, f"record {number}", id_field)


async def _in_a_thread(read: Callable[[], Generator[Document]]) -> AsyncIterator[Document]:
    """Run a blocking iterator some items at a time; an error comes after the documents before it."""
    with closing(_Reader(read())) as reader:
        while batch := await asyncio.to_thread(reader.some):
            for document in batch:
                yield document
        if reader.error is not None:
            raise reader.error


class _Reader:
    """A blocking iterator, taken in batches."""

    def __init__(self, items: Generator[Document]) -> None:
        self._items = items
        self._reading = threading.Lock()  # a cancelled task leaves its thread reading: do not close under it
        self.error: InvalidInput | None = None

    def some(self) -> list[Document]:
        """The next documents, none at the end or at an error, which is then in `error`."""
        batch: list[Document] = []
        with self._reading:
            try:
                batch.extend(islice(self._items, _READ_AHEAD))  # keeps what came before an error
            except InvalidInput as error:
                self.error = error
        return batch

    def close(self) -> None:
        with self._reading:
            self._items.close()


def _jsonl(path: Path, id_field: str) -> Generator[Document]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    with _opened(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if stripped := line.removeprefix(b"\xef\xbb\xbf").strip():
                yield _from(_decoded(decoder, stripped, f"{path}:{number}"), f"{path}:{number}", id_field)


def _decoded(decoder: msgspec.json.Decoder[dict[str, Any]], line: bytes, place: str) -> dict[str, Any]:
    try:
        return decoder.decode(line)
    except msgspec.ValidationError:
        raise InvalidInput(f"{place}: not an object; write one JSON object a line", field="records") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{place}: not JSON: {error}", field="records") from None


def _csv(path: Path, id_field: str, delimiter: str) -> Generator[Document]:
    with _opened(path, "r") as file:
        rows = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            for row in rows:
                yield _row(row, f"{path}:{rows.line_num}", id_field)
        except csv.Error as error:
            raise InvalidInput(f"{path}:{rows.reader.line_num}: not CSV: {error}", field="records") from None
        except UnicodeDecodeError as error:
            where = f"after line {rows.line_num}"
            raise InvalidInput(f"{path}: not UTF-8 {where}: {error.reason}; convert it", field="records") from None


def _row(row: dict[str, Any], place: str, id_field: str) -> Document:
    if None in row:
        raise InvalidInput(f"{place}: it has more values than the header has names", field="records")
    return _from({name: value for name, value in row.items() if value}, place, id_field)


def _from(record: Mapping[str, Any] | Document, place: str, id_field: str) -> Document:
    if isinstance(record, Document):
        return record
    try:
        return from_record(record, id_field=id_field)
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error.message}", field=error.field) from None


@contextmanager
def _opened(path: Path, mode: Literal["r", "rb"]) -> Iterator[IO[Any]]:
    try:
        file = path.open("rb") if mode == "rb" else path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}", field="path") from None
    with file:
        yield file
