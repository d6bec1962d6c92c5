"""Nodes, definitions, schedules and keys, read from a master's database and written to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, create_engine, exc, select, text

from fleetfold.backup.registry_export import (
    ExportedDefinition,
    ExportedKey,
    ExportedNode,
    ExportedSchedule,
    RegistryFile,
)
from fleetfold.backup.store_locations import BackupPlaces
from fleetfold.credentials import LOCAL_NAME
from fleetfold_master.access.key_rows import scopes_text
from fleetfold_master.definitions.rows import digest_of
from fleetfold_master.schedules.model import StoredSchedule
from fleetfold_master.store.definition_tables import definition
from fleetfold_master.store.migration import newest_revision
from fleetfold_master.store.row_helpers import as_json
from fleetfold_master.store.schedule_tables import schedule
from fleetfold_master.store.tables import api_key, node
from fleetfold_shared import __version__
from fleetfold_shared.errors import Conflict, NotFound, Unavailable
from fleetfold_shared.messages import Definition, NodeDescription, ScheduleSpec, Scopes

__all__ = ["Exported", "connected", "read_registry", "row_of", "table_of"]

Exported = ExportedNode | ExportedDefinition | ExportedSchedule | ExportedKey

_TABLES: dict[type[Exported], Table] = {
    ExportedNode: node, ExportedDefinition: definition, ExportedSchedule: schedule, ExportedKey: api_key,
}  # fmt: skip


_LIVE_KEYS = (api_key.c.revoked_at.is_(None), api_key.c.name != LOCAL_NAME)


@contextmanager
def connected(places: BackupPlaces) -> Iterator[Connection]:
    """Open the master's database in one transaction. Raises `NotFound` for a missing file, `Conflict` for the database
    of another version."""
    engine = create_engine(_url(places))
    try:
        with engine.begin() as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            if found != newest_revision():
                raise Conflict(
                    f"database: its tables are of another version of fleetfold ({found}, not {newest_revision()}); "
                    "start its master with this one once"
                )
            yield connection
    except exc.DBAPIError as error:
        why = " ".join(str(error.orig).split())[:200]
        raise Unavailable(f"database: it cannot be used: {why}; check its place") from None
    finally:
        engine.dispose()


def read_registry(connection: Connection) -> RegistryFile:
    """Read all that is not removed or revoked, but this machine's own key."""
    return RegistryFile(
        nodes=[_node(row) for row in _rows(connection, node, node.c.removed_at.is_(None))],
        definitions=[_definition(row) for row in _rows(connection, definition, definition.c.removed_at.is_(None))],
        schedules=[_schedule(row) for row in _rows(connection, schedule, schedule.c.removed_at.is_(None))],
        keys=sorted(map(_key, _rows(connection, api_key, *_LIVE_KEYS)), key=lambda key: (key.name, key.id)),
    )


def table_of(item: Exported) -> Table:
    return _TABLES[type(item)]


def row_of(item: Exported) -> dict[str, Any]:
    """Return the row of a new item."""
    if isinstance(item, ExportedNode):
        return _node_row(item)
    if isinstance(item, ExportedDefinition):
        fields = {name: getattr(item, name) for name in ("name", "version", "created_at", "created_by")}
        return {**fields, "digest": digest_of(item.content), "content": as_json(item.content), "removed_at": None}
    if isinstance(item, ExportedSchedule):
        return _schedule_row(item)
    fields = msgspec.structs.asdict(item)
    return {**fields, "scopes": scopes_text(item.scopes), "last_used_at": None, "revoked_at": None}


def _url(places: BackupPlaces) -> str:
    if (file := places.master_file) is None:
        assert places.database is not None
        return f"postgresql+psycopg://{places.database.partition('://')[2]}"
    if not file.exists():
        raise NotFound(f"master: there is no {file}; name its place with --data or --config", field="data")
    return f"sqlite:///{file.resolve()}"


def _rows(connection: Connection, table: Table, *where: Any) -> list[dict[str, Any]]:
    found = connection.execute(select(table).where(*where).order_by(*table.primary_key))
    return [dict(row) for row in found.mappings()]


def _node(row: dict[str, Any]) -> ExportedNode:
    described = msgspec.json.decode(row["description"], type=NodeDescription)
    labels = None if row["labels"] is None else msgspec.json.decode(row["labels"])
    return ExportedNode(
        name=row["name"], type=described.type, title=row["title"], labels=labels, weight=row["weight"],
        state=row["assigned"], registered_at=row["registered_at"],
    )  # fmt: skip


def _definition(row: dict[str, Any]) -> ExportedDefinition:
    return ExportedDefinition(
        name=row["name"], version=row["version"], content=msgspec.json.decode(row["content"], type=Definition),
        created_at=row["created_at"], created_by=row["created_by"],
    )  # fmt: skip


def _schedule(row: dict[str, Any]) -> ExportedSchedule:
    fields = {name: row[name] for name in ("name", "version", "caller", "anchor", "created_at", "changed_at")}
    return ExportedSchedule(**fields, spec=msgspec.json.decode(row["spec"], type=ScheduleSpec))


def _key(row: dict[str, Any]) -> ExportedKey:
    names = ("id", "name", "digest", "role", "created_at", "created_by", "expires_at")
    return ExportedKey(**{name: row[name] for name in names}, scopes=msgspec.json.decode(row["scopes"], type=Scopes))


def _node_row(item: ExportedNode) -> dict[str, Any]:
    described = NodeDescription(incarnation="", version=__version__, type=item.type)
    return {
        "name": item.name, "state": item.state, "description": as_json(described), "title": item.title,
        "labels": None if item.labels is None else as_json(item.labels), "weight": item.weight,
        "registered_at": item.registered_at, "removed_at": None, "assigned": item.state,
    }  # fmt: skip


def _schedule_row(item: ExportedSchedule) -> dict[str, Any]:
    """A schedule goes on from now: what it missed is not made up for."""
    now = time.time()
    standing = StoredSchedule(
        name=item.name, version=item.version, turn=0, caller=item.caller, spec=item.spec, anchor=item.anchor,
        next_at=None, due_at=None, created_at=item.created_at, changed_at=item.changed_at, looked_at=now,
    ).planned_after(now, now)  # fmt: skip
    return {**msgspec.structs.asdict(standing), "spec": as_json(standing.spec)}
