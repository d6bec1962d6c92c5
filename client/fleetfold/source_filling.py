"""Filling of collections from their sources at start; errors of a source are reported, and stop nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from fleetfold.source_readings import Source, SourceLog, records
from fleetfold_child.connectors.files import Records
from fleetfold_child.connectors.ingest_report import IndexReport
from fleetfold_child.connectors.reading_summary import SourceState
from fleetfold_shared.errors import InvalidInput

if TYPE_CHECKING:  # LanceDB and NumPy are behind it
    from fleetfold_child.index import Collection

__all__ = ["fill", "source_state"]

log = structlog.get_logger(__name__)

Write = Callable[[Records], Awaitable[IndexReport]]


async def fill(collection: Collection, source: Source, seen: SourceLog, write: Write) -> None:
    """Read `source` with `write`, unless it is unchanged since it was last read.

    If it cannot be read, the previous documents stay, but for those that were read before it broke off; the next start
    tries again.
    """
    state = seen.known(collection.name, source, collection.reading)
    if state is not None:
        if state.note:
            log.warning("source.note", collection=collection.name, note=state.note, since="an earlier start")
        collection.set_source_state(state)
        return
    before = collection.epoch
    try:
        report = await write(await records(source, collection.name))
    except InvalidInput as error:
        log.error(  # noqa: TRY400 - the message says it all, and a traceback would show records
            "source.not_read", collection=collection.name, why=error.message, documents=collection.count
        )
        changed = collection.epoch != before
        collection.set_source_state(SourceState.unreadable(error.message, documents=collection.count, changed=changed))
        return
    log.info("source.read", collection=collection.name, taken=report.taken, changed=report.changed)
    seen.remember(collection.name, source, collection.reading, source_state(collection, report))


def source_state(collection: Collection, report: IndexReport) -> SourceState:
    """Log the report, and set it as the collection's source state."""
    for note in report.notes:
        log.warning("source.note", collection=collection.name, note=note)
    state = SourceState.of(report)
    collection.set_source_state(state)
    return state
