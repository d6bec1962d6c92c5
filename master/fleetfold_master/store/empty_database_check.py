"""The decision whether an empty database is a new fleet's, or one that was lost.

A master with an empty database refuses every node, and knows no job. So one is begun only where nothing shows that
there was another before.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import structlog
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from fleetfold_broker.quarantine import set_aside
from fleetfold_shared.errors import Conflict
from fleetfold_storage.sqlite_integrity import absence, check_pages, is_damage

__all__ = ["Beginning", "damage_of"]

log = structlog.get_logger(__name__)

WAY_OUT = (
    "restore it from a backup (`fleetfold backup restore`); or start with --new: then this fleet forgets its nodes,"
    " keys, jobs and transactions, and every node has to be invited again"
)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known of an earlier database: the files `traces` show that there was one; `new` allows to begin anew."""

    traces: tuple[str, ...]
    new: bool

    def check_file(self, file: Path) -> None:
        """Check a SQLite file before it is opened. Raises `Conflict` for a lost one, and for a damaged one; with `new`
        a damaged one is kept under another name. Without traces, a file that is no database may be another program's.
        """
        lost = absence(file, "alembic_version")
        self._refuse(lost, str(file))
        if lost is None and (self.traces or self.new) and (damage := damage_of(file)) is not None:
            if not self.new:
                raise Conflict(f"database: {file} is damaged ({damage}); {WAY_OUT}", field="database")
            log.warning("master.begins_anew", reason=damage, moved_to=str(set_aside(file)))

    def check_server(self, connection: Connection, where: str) -> None:
        """Check a database of PostgreSQL. Raises `Conflict` for a lost one."""
        empty = MigrationContext.configure(connection).get_current_revision() is None
        self._refuse("holds no tables of fleetfold" if empty else None, where)

    def _refuse(self, lost: str | None, where: str) -> None:
        if lost and self.traces and not self.new:
            raise Conflict(
                f"database: {where} {lost}, but {', '.join(self.traces)} show that this fleet is not new; {WAY_OUT}",
                field="database",
            )
        if self.new and lost is None:
            log.warning("master.is_not_new", database=where, advice="leave out --new: it would hide a lost database")


def damage_of(file: Path) -> str | None:
    """Return the first damage of the file; None when it is sound, or cannot be read, which its opening will report."""
    try:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            check_pages(connection)
    except sqlite3.Error as error:
        return str(error) if is_damage(error) else None
    return None
