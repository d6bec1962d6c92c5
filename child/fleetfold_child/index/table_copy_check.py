"""Check of a table that nobody has open, such as a copy."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleetfold_child.disk_errors import without_sources
from fleetfold_child.index.lancedb_errors import RAISED
from fleetfold_child.index.lancedb_import import lancedb
from fleetfold_shared.errors import InvalidInput

__all__ = ["count_documents"]


async def count_documents(table: Path) -> int:
    """Open the table in the folder `table`, read all its rows, and return their number. Raises `InvalidInput` for one
    that cannot be read."""
    module = await asyncio.to_thread(lancedb)
    try:
        connection = await module.connect_async(table.parent)
        handle = await connection.open_table(table.stem)
        rows = 0
        async for batch in await handle.query().to_batches():
            rows += batch.num_rows
    except RAISED as error:
        raise InvalidInput(f"{table.name}: cannot be read: {without_sources(error)}") from None
    connection.close()
    return rows
