"""Translation of LanceDB's errors to the fleet's, so that no message of LanceDB's reaches a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import structlog

from fleetfold_child.disk_errors import disk_error, without_sources
from fleetfold_shared.errors import FleetfoldError, InternalError, Unavailable

__all__ = ["RAISED", "TableUse", "translated"]

log = structlog.get_logger(__name__)

RAISED = (RuntimeError, OSError, ValueError)
"""Errors that LanceDB raises."""

TableUse = Literal["read", "written"]
"""What cannot be done any more when files of the table are missing or damaged."""


@contextmanager
def translated(collection: str, place: Path, use: TableUse | None = None) -> Iterator[None]:
    """Raise LanceDB's errors in this block as the fleet's: an error of the disk, with the path of the tables, `place`;
    a table that cannot be read or written, for a block that does so as its `use`; else a defect, whose reason is
    logged.
    """
    try:
        yield
    except RAISED as error:
        cause = None if use is None else error
        raise disk_error(error, place) or _table_error(error, collection, place, use) from cause


def _table_error(error: Exception, collection: str, place: Path, use: TableUse | None) -> FleetfoldError:
    if use is None:
        log.error("table.failed", collection=collection, place=str(place), reason=without_sources(error))
        return InternalError(f"collection {collection}: its table in {place} fails; this node's log says why")
    why = "files are missing" if "not found" in str(error).lower() else "look at the disk, or it is damaged"
    return Unavailable(
        f"collection {collection}: lance/{collection}.lance in the node's data cannot be {use} ({why}); "
        "put it back, or move it away, restart the node and sync"
    )
