"""Before a ledger of an earlier version is brought up to date: a copy of its file, which is kept for a week.

The copy is for people who look for what was there. Put back, it is an older ledger: what it has not seen runs again.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import structlog

from fleetfold_broker.secret_file import private_file
from fleetfold_child.disk_errors import disk_error
from fleetfold_child.ledger.ledger_schema import VERSION
from fleetfold_shared import __version__
from fleetfold_shared.errors import Conflict
from fleetfold_storage.sqlite_snapshot import SqliteSnapshot

__all__ = ["RETENTION_S", "forget_copies", "prepare_upgrade"]

log = structlog.get_logger(__name__)

RETENTION_S = 7 * 86_400.0


def prepare_upgrade(path: Path) -> None:
    """Copy the file to `<name>.before-<this version>` if its schema is an earlier one.

    Raises `Conflict`, and changes nothing, if the schema is a later one; `Unavailable` if the disk has no room for the
    copy. A missing, empty or damaged file is the business of who opens it.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as ledger:
            found = _version(ledger)
            if found > VERSION:
                raise Conflict(
                    f"{path}: written by a newer fleetfold (its schema is {found}, this version, {__version__}, knows "
                    f"up to {VERSION}); upgrade fleetfold on this node"
                )
        if 0 < found < VERSION:
            _copy(path)
    except (sqlite3.DatabaseError, OSError) as error:
        if disk := disk_error(error, path.parent):
            raise disk from error


def forget_copies(path: Path, now: float) -> None:
    """Delete the copies that were made more than a week before `now`."""
    for copy in path.parent.glob(f"{path.name}.before-*"):
        with contextlib.suppress(FileNotFoundError):
            if now - copy.stat().st_mtime > RETENTION_S:
                copy.unlink()


def _version(ledger: sqlite3.Connection) -> int:
    """The schema's version; 0 where there is no ledger."""
    (tables,) = ledger.execute("SELECT count(*) FROM sqlite_master WHERE name = 'fleetfold_schema'").fetchone()
    return (ledger.execute("SELECT max(version) FROM fleetfold_schema").fetchone()[0] or 0) if tables else 0


def _copy(path: Path) -> None:
    """Copy all that is committed, also what is still in the write-ahead log. A copy of before is replaced."""
    copy = path.with_name(f"{path.name}.before-{__version__}")
    draft = copy.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    private_file(draft)
    try:
        with SqliteSnapshot(path) as ledger:
            ledger.copy(draft)
        draft.replace(copy)
    finally:
        draft.unlink(missing_ok=True)
    log.info("ledger.copied", copy=str(copy), days=RETENTION_S / 86_400)
