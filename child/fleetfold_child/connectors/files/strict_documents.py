"""Documents of a source one by one; the first bad record ends the reading."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fleetfold_child.connectors.documents import Document
from fleetfold_child.connectors.files.file_formats import check_file
from fleetfold_child.connectors.files.source_items import Problem
from fleetfold_child.connectors.files.stream import Read, read_documents
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["Records", "documents", "open_source"]

Records = AsyncIterable[Mapping[str, Any] | Document] | Iterable[Mapping[str, Any] | Document] | Path
"""An iterable of records, or the path of a file with records."""


def open_source(path: str | Path, *, id_field: str = "id") -> AsyncIterator[Document]:
    """Yield the documents of a `.jsonl`, `.ndjson`, `.json`, `.csv` or `.tsv` file.

    Raises `InvalidInput` at once for a missing file or an unknown format; while reading, for a malformed record, with
    file, line number and reason.
    """
    return documents(check_file(path), id_field=id_field)


async def documents(records: Records, *, id_field: str = "id") -> AsyncGenerator[Document]:
    """Yield the documents of any source; an error names its record."""
    async with aclosing(read_documents(records, Reading(id=id_field))) as batches:
        async for batch in batches:
            for one in batch:
                if isinstance(one, Problem):
                    raise InvalidInput(str(one), field="records")
                if isinstance(one, Read):
                    yield one.document
