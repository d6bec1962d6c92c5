"""LanceDB table of a collection, the store of record, with one writer at a time.

When `write` and `remove` return, the change is safe against kill -9 (not against a loss of power: Lance does not
fsync).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fleetfold_broker.secret_file import private_folder
from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.filters import id_in
from fleetfold_child.index.interfaces import Entry
from fleetfold_child.index.lancedb_errors import DamagedTable, TableUse, reading_all, translated
from fleetfold_child.index.lancedb_import import lancedb, session

__all__ = ["DOCUMENT_COLUMNS", "ENTRY_COLUMNS", "KEEP_VERSIONS", "Table"]

DOCUMENT_COLUMNS = ["id", "title", "content", "metadata"]
ENTRY_COLUMNS = [*DOCUMENT_COLUMNS, "terms", "vector"]

_IDS_PER_QUERY = 500
_ROWS_PER_BATCH = 5000
KEEP_VERSIONS = timedelta(minutes=5)
"""Age after which versions are dropped: readers of older ones have finished by then."""
_KEEP_NOTHING = timedelta(milliseconds=1)  # zero would do the same and warn

_metadata = msgspec.json.Decoder(dict[str, Any])


class Table:
    """Table with the columns id, title, content, metadata (JSON), hash, terms (separated by spaces) and vector
    (float32).

    `stamp` names what made the terms and vectors; when it differs from the requested one, call `replace_all`.
    """

    def __init__(
        self, connection: Any, handle: Any, name: str, place: Path, dimensions: int, stamp: dict[str, str]
    ) -> None:
        self._connection = connection
        self._place = place
        self._name = name
        self._dimensions = dimensions
        self._stamp = stamp
        self.handle = handle
        self.lock = asyncio.Lock()  # two merges of the same new ids would both insert; optimize conflicts with either

    @classmethod
    async def open(cls, data_dir: Path, name: str, dimensions: int, stamp: dict[str, str]) -> Table:
        """Open the collection's table below `<data_dir>/lance/`; create it if missing, and remove what a crash left.

        Raises `DamagedTable` when its files are missing or damaged, `Unavailable` for the disk's errors.
        """
        module = await asyncio.to_thread(lancedb)
        place = data_dir / "lance"
        private_folder(place)
        connection = await module.connect_async(place, session=session())
        try:
            with reading_all(name, place):
                handle = await _open_or_create(connection, name, _schema(dimensions, stamp), place)
                await _optimize(handle, _KEEP_NOTHING)
        except BaseException:
            connection.close()
            raise
        return cls(connection, handle, name, place, dimensions, stamp)

    def translated(self, use: TableUse | None = None) -> AbstractContextManager[None]:
        """Translate LanceDB's errors in a block that uses `handle`."""
        return translated(self._name, self._place, use)

    async def close(self) -> None:
        async with self.lock:
            self.handle.close()
            self._connection.close()

    async def is_stale(self) -> bool:
        """Tell whether another reader, analyzer or embedder made the texts, terms and vectors."""
        with self.translated():
            found = await self.stamped()
            return any(found.get(key) != value for key, value in self._stamp.items())

    async def stamped(self) -> dict[str, str]:
        """Return the table's stamp."""
        return {key.decode(): value.decode() for key, value in ((await self.handle.schema()).metadata or {}).items()}

    async def version(self) -> int:
        """Return the number of its newest commit."""
        with self.translated():
            return int(await self.handle.version())

    async def count(self) -> int:
        with self.translated():
            return int(await self.handle.count_rows())

    async def check(self, thorough: bool) -> None:
        """Raise `Unavailable` when the table cannot be read: its newest version and one row, or `thorough` all ids."""
        async with self._exclusive("read"):
            await self.handle.checkout_latest()
            await self.handle.query().select(["id"]).limit(1).to_list()
            if thorough:
                await self.ids()

    async def write(self, entries: Sequence[Entry]) -> None:
        """Insert or replace rows with different ids."""
        rows = await asyncio.to_thread(self._rows, entries)
        async with self._exclusive("written"):
            merge = self.handle.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            await merge.execute(rows)

    async def remove(self, ids: Sequence[str]) -> None:
        async with self._exclusive("written"):
            for start in range(0, len(ids), _IDS_PER_QUERY):
                await self.handle.delete(id_in(list(ids[start : start + _IDS_PER_QUERY])))

    async def replace_all(self, entries: Sequence[Entry]) -> None:
        """Replace all rows in one commit, under the requested stamp."""
        with self.translated():
            rows = await asyncio.to_thread(self._rows, entries)
            async with self.lock:
                self.handle.close()
                self.handle = await self._connection.create_table(self._name, data=rows, mode="overwrite")

    async def optimize(self, keep: timedelta = KEEP_VERSIONS) -> None:
        """Merge small fragments, update the indexes, drop versions older than `keep`."""
        with self.translated():
            async with self.lock:
                await _optimize(self.handle, keep)

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        return {(document := _document(row)).id: document for row in await self._by_id(ids, DOCUMENT_COLUMNS)}

    async def hashes(self, ids: Collection[str]) -> dict[str, str]:
        return {row["id"]: row["hash"] for row in await self._by_id(ids, ["id", "hash"])}

    async def entries(self, ids: Collection[str]) -> list[Entry]:
        return [_entry(row) for row in await self._by_id(ids, ENTRY_COLUMNS)]

    async def ids(self) -> set[str]:
        with self.translated():
            return {row["id"] async for batch in self._scan(["id"]) for row in batch.to_pylist()}

    async def all_documents(self) -> AsyncIterator[list[Document]]:
        with reading_all(self._name, self._place):
            async for batch in self._scan(DOCUMENT_COLUMNS):
                yield await asyncio.to_thread(_documents, batch)

    async def all_entries(self) -> AsyncIterator[list[Entry]]:
        """Read all rows, and compare each document with its hash. Raises `DamagedTable` for one that differs."""
        with reading_all(self._name, self._place):
            async for batch in self._scan([*ENTRY_COLUMNS, "hash"]):
                entries = await asyncio.to_thread(_entries, batch)
                await asyncio.to_thread(_verify, self._name, entries, batch.column("hash").to_pylist())
                yield entries

    async def all_terms(self) -> AsyncIterator[list[list[str]]]:
        with reading_all(self._name, self._place):
            async for batch in self._scan(["terms"]):
                yield await asyncio.to_thread(_terms, batch)

    async def sample_vectors(self, most: int, documents: int) -> NDArray[np.float32]:
        """Return vectors (n x dimensions) of about `most` of the table's `documents`; deterministic for a table.

        The content hash selects them, because it is independent of subject and age.
        """
        with self.translated():
            query = self.handle.query().select(["id", "vector"])
            if documents > most:
                query = query.where(f"hash < '{int(most / documents * 16**8):08x}'")
            found = (await query.limit(2 * most).to_arrow()).sort_by("id")
            vectors = found.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return np.asarray(vectors, dtype=np.float32).reshape(-1, self._dimensions)

    async def _by_id(self, ids: Collection[str], columns: list[str]) -> list[dict[str, Any]]:
        with self.translated():
            wanted = list(ids)
            rows: list[dict[str, Any]] = []
            for start in range(0, len(wanted), _IDS_PER_QUERY):
                some = wanted[start : start + _IDS_PER_QUERY]
                rows += await self.handle.query().where(id_in(some)).select(columns).to_list()
            return rows

    @asynccontextmanager
    async def _exclusive(self, use: TableUse) -> AsyncIterator[None]:
        """Hold the lock, and translate LanceDB's errors in the block."""
        with self.translated(use):
            async with self.lock:
                yield

    async def _scan(self, columns: list[str]) -> AsyncIterator[Any]:
        async for batch in await self.handle.query().select(columns).to_batches(max_batch_length=_ROWS_PER_BATCH):
            yield batch

    def _rows(self, entries: Sequence[Entry]) -> Any:
        import pyarrow as pa

        documents = [entry.document for entry in entries]
        vectors = np.concatenate([entry.vector for entry in entries]) if entries else np.zeros(0, dtype=np.float32)
        columns = [
            pa.array([document.id for document in documents], pa.string()),
            pa.array([document.title for document in documents], pa.string()),
            pa.array([document.content for document in documents], pa.string()),
            pa.array([msgspec.json.encode(document.metadata).decode() for document in documents], pa.string()),
            pa.array([document.hash for document in documents], pa.string()),
            pa.array([" ".join(entry.terms) for entry in entries], pa.string()),
            pa.FixedSizeListArray.from_arrays(pa.array(vectors, pa.float32()), self._dimensions),
        ]
        return pa.Table.from_arrays(columns, schema=_schema(self._dimensions, self._stamp))


async def _optimize(handle: Any, keep: timedelta) -> None:
    await handle.optimize(cleanup_older_than=keep, delete_unverified=keep is _KEEP_NOTHING)


async def _open_or_create(connection: Any, name: str, schema: Any, place: Path) -> Any:
    data = place / f"{name}.lance" / "data"
    has_rows = await asyncio.to_thread(lambda: any(data.glob("*")))
    try:
        return await connection.open_table(name)
    except ValueError:  # what LanceDB says when there is none; if it is something else, creating fails too
        if has_rows:
            raise DamagedTable(f"collection {name}: its table in {place} is damaged (no version is left)") from None
        return await connection.create_table(name, schema=schema)


def _verify(collection: str, entries: Sequence[Entry], hashes: Sequence[str]) -> None:
    for entry, known in zip(entries, hashes, strict=True):
        if entry.document.hash != known:
            raise DamagedTable(f"collection {collection}: its document {entry.document.id!r} is damaged")


def _schema(dimensions: int, stamp: dict[str, str]) -> Any:
    import pyarrow as pa

    texts = [pa.field(name, pa.string(), nullable=False) for name in [*DOCUMENT_COLUMNS, "hash", "terms"]]
    vector = pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False)
    return pa.schema([*texts, vector], metadata=stamp)


def _document(row: dict[str, Any]) -> Document:
    return Document(row["id"], row["title"], row["content"], _metadata.decode(row["metadata"]))


def _documents(batch: Any) -> list[Document]:
    return [_document(row) for row in batch.to_pylist()]


def _terms(batch: Any) -> list[list[str]]:
    return [terms.split() for terms in batch.column("terms").to_pylist()]


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(_document(row), row["terms"].split(), np.asarray(row["vector"], dtype=np.float32))


def _entries(batch: Any) -> list[Entry]:
    """Convert a whole batch at once, without a Python object for each number."""
    vectors = batch.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
    rows = batch.drop_columns(["vector", "hash"]).to_pylist()
    return [Entry(_document(row), row["terms"].split(), vector) for row, vector in zip(rows, vectors, strict=True)]
