"""Translation of LanceDB's errors to the fleet's, so that no message of LanceDB's reaches a user."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from fleetfold_child.disk_errors import disk_error, errno_of, without_sources
from fleetfold_shared.errors import FleetfoldError, InternalError, Unavailable

__all__ = ["RAISED", "DamagedTable", "TableUse", "reading_all", "translated"]

log = structlog.get_logger(__name__)

RAISED = (RuntimeError, OSError, ValueError)
"""Errors that LanceDB raises."""

WRONG_FILES = {errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EINVAL}
"""Errors of the system that say nothing of the disk, but of the table's files."""
PANIC = "PanicException"
"""Name of what LanceDB raises for a panic of its Rust code, which damaged files can provoke; a BaseException."""

REASON_CHARS = 120

TableUse = Literal["read", "written"]
"""What cannot be done any more when files of the table are missing or damaged."""


class DamagedTable(InternalError):
    """A collection's table cannot be opened: files of it are missing or damaged."""


@contextmanager
def reading_all(collection: str, place: Path) -> Iterator[None]:
    """Raise what the reading of a whole table raises in this block as the disk's error, or as `DamagedTable`."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, (*RAISED, msgspec.DecodeError)) and type(error).__name__ != PANIC:
            raise
        disk = None if errno_of(error) in WRONG_FILES else disk_error(error, place)
        if disk is None:
            reason = without_sources(error)[:REASON_CHARS]
            log.error("table.damaged", collection=collection, place=str(place), reason=reason)  # noqa: TRY400  # one line
        why = "files are missing" if _misses_files(error) else "its files cannot be read"
        raise disk or DamagedTable(f"collection {collection}: its table in {place} is damaged ({why})") from None


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
    why = "files are missing" if _misses_files(error) else "look at the disk, or it is damaged"
    return Unavailable(
        f"collection {collection}: lance/{collection}.lance in the node's data cannot be {use} ({why}); "
        "restart the node: it is filled again from its source, if it has one; else restore it from a backup"
    )


def _misses_files(error: BaseException) -> bool:
    return "not found" in str(error).lower()
