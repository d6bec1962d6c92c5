"""Translation of LanceDB's errors to the fleet's, so that no message of LanceDB's reaches a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from fleetfold_child.disk_errors import disk_error, without_sources
from fleetfold_shared.errors import FleetfoldError, InternalError

__all__ = ["RAISED", "table_error", "translated"]

log = structlog.get_logger(__name__)

RAISED = (RuntimeError, OSError, ValueError)
"""Errors that LanceDB raises."""


def table_error(error: Exception, collection: str, place: Path) -> FleetfoldError:
    """Return the disk's error with its path, or an error of the table whose reason is logged."""
    if (of_disk := disk_error(error, place)) is not None:
        return of_disk
    log.error("table.broke", collection=collection, place=str(place), reason=without_sources(error))
    return InternalError(f"collection {collection}: its table in {place} fails; this node's log says why")


@contextmanager
def translated(collection: str, place: Path) -> Iterator[None]:
    """Raise LanceDB's errors in this block as `table_error` converts them."""
    try:
        yield
    except RAISED as error:
        raise table_error(error, collection, place) from None
