"""Record in the database of the migrations that were run, so that a master which does not know them can judge them.

Each migration is of one phase. `expand` only adds, so masters of earlier versions of the same series go on working;
`contract` changes or removes what an earlier series used, and needs that none of its masters is running.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from alembic.script import Script
from sqlalchemy import Column, Connection, Double, String, Table, insert, inspect, select

from fleetfold_master.store.tables import metadata
from fleetfold_shared import __version__

__all__ = ["Phase", "SchemaChange", "phase_of", "read_changes", "record_changes"]

Phase = Literal["expand", "contract"]

_table = Table(
    "schema_change",
    metadata,  # made here and by no migration, as alembic's own table
    Column("revision", String(32), primary_key=True),
    Column("phase", String(16), nullable=False),
    Column("version", String(64), nullable=False),
    Column("applied_at", Double, nullable=False),
)


class SchemaChange(NamedTuple):
    """A migration that was run: its phase, and the version of fleetfold that has run it."""

    revision: str
    phase: str
    version: str


def phase_of(script: Script) -> Phase:
    """The phase that a migration's file declares. The first thirteen, of before 0.2, declare none and contract."""
    found: Phase = getattr(script.module, "phase", "contract")
    return found


def record_changes(connection: Connection, scripts: Iterable[Script]) -> None:
    """Record that these migrations were run by this version."""
    _table.create(connection, checkfirst=True)
    now = time.time()
    for script in scripts:
        row = {"revision": script.revision, "phase": phase_of(script), "version": __version__, "applied_at": now}
        connection.execute(insert(_table).values(row))


def read_changes(connection: Connection) -> Sequence[SchemaChange]:
    """All migrations that were recorded; a database of fleetfold 0.1 has none."""
    if not inspect(connection).has_table(_table.name):
        return []
    rows = connection.execute(select(_table.c.revision, _table.c.phase, _table.c.version))
    return [SchemaChange(*row) for row in rows]
