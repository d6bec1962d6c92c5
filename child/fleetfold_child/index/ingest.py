"""Records on their way into a collection, batch by batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import msgspec

from fleetfold_child.documents import Document
from fleetfold_child.index.writer import MAX_BATCH
from fleetfold_child.sources import Records, documents
from fleetfold_shared.errors import InvalidInput

__all__ = ["IndexReport", "ingest"]


class IndexReport(msgspec.Struct, frozen=True):
    """What an ingest did: records read, those among them that were new or different, documents removed by a sync."""

    taken: int
    changed: int
    removed: int = 0


async def ingest(
    records: Records, id_field: str, put: Callable[[Sequence[Document]], Awaitable[int]], seen: set[str]
) -> IndexReport:
    """Put the records in batches; `put` says how many of one were new or different. Their ids are added to `seen`.

    At a malformed record it stops with `InvalidInput` that names it and says how many before it were taken.
    """
    taken = changed = 0
    batch: list[Document] = []
    async with aclosing(documents(records, id_field=id_field)) as source:
        try:
            async for document in source:
                batch.append(document)
                if len(batch) == MAX_BATCH:
                    changed += await put(batch)
                    taken += len(batch)
                    seen.update(one.id for one in batch)
                    batch = []
        except InvalidInput as error:
            changed += await put(batch)
            why = f"{error.message}; {taken + len(batch)} records before it were taken"
            raise InvalidInput(why, field=error.field) from None
    seen.update(one.id for one in batch)
    return IndexReport(taken + len(batch), changed + await put(batch))
