"""Ingestion of records into a collection, batch by batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from fleetfold_child.connectors.documents import Document
from fleetfold_child.connectors.files import Found, Read, Records, read_documents
from fleetfold_child.connectors.ingest_report import RecordCounter
from fleetfold_child.index.write_queue import MAX_BATCH
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["Put", "ingest"]

Put = Callable[[Sequence[Document]], Awaitable[int]]
"""Writes documents; returns how many were new or different."""


async def ingest(records: Records, reading: Reading, put: Put, *, leave_out: bool) -> tuple[RecordCounter, int]:
    """Write the records; return the counter and the number of changed documents.

    With `leave_out` bad records are skipped; raises `InvalidInput` when all are bad, or when the source breaks off,
    with the number of records taken before. Otherwise, and with a strict reading, one bad record is an error and
    nothing is written: the documents wait in memory until all are read.
    """
    if leave_out and not reading.strict:
        return await _streamed(records, reading, put)
    counter, documents = RecordCounter(reading), list[Document]()
    async with aclosing(read_documents(records, reading)) as batches:
        async for batch in batches:
            documents += _counted(batch, counter)
    counter.check(repeated=reading.strict)
    return counter, await _put_all(documents, put)


async def _streamed(records: Records, reading: Reading, put: Put) -> tuple[RecordCounter, int]:
    counter, changed, waiting = RecordCounter(reading), 0, list[Document]()
    try:
        async with aclosing(read_documents(records, reading)) as batches:
            async for batch in batches:
                waiting += _counted(batch, counter)
                if len(waiting) >= MAX_BATCH:
                    changed, waiting = changed + await _put_all(waiting, put), []
    except InvalidInput as error:
        await _put_all(waiting, put)
        before = f"; records taken before it: {counter.taken:,}" if counter.taken else ""
        raise InvalidInput(f"{error.message}{before}", field=error.field) from None
    changed += await _put_all(waiting, put)
    counter.check_any()
    return counter, changed


def _counted(batch: Sequence[Found], counter: RecordCounter) -> list[Document]:
    for found in batch:
        counter.add(found)
    return [found.document for found in batch if isinstance(found, Read)]


async def _put_all(documents: Sequence[Document], put: Put) -> int:
    return sum([await put(documents[at : at + MAX_BATCH]) for at in range(0, len(documents), MAX_BATCH)])
