"""Rows of definitions."""

from __future__ import annotations

import msgspec
from sqlalchemy import RowMapping, bindparam, func, null, select, update

from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.definition_tables import definition as table
from fleetfold_master.store.row_helpers import as_json, digest
from fleetfold_shared.definition_inputs import input_schema
from fleetfold_shared.messages import Definition, DefinitionRecord

__all__ = ["claim", "digest_of", "newest", "newest_of_all", "one", "put_back", "record", "remove"]

_INSERT = insert_once(table)
_PUT_BACK = (
    update(table).where(table.c.name == bindparam("of"), table.c.version == bindparam("as")).values(removed_at=null())
)
_REMOVE = (
    update(table)
    .where(table.c.name == bindparam("of"), table.c.removed_at.is_(None))
    .values(removed_at=bindparam("at"))
)


def digest_of(definition: Definition) -> str:
    """The digest by which versions are compared."""
    return digest(definition)


def claim(definition: Definition, version: int, by: str, now: float) -> Write:
    """Insert a version, unless its number exists."""
    row = {
        "name": definition.name, "version": version, "digest": digest_of(definition),
        "content": as_json(definition), "created_at": now, "created_by": by, "removed_at": None,
    }  # fmt: skip
    return Write(_INSERT, [row])


def put_back(name: str, version: int) -> Write:
    """Restore a removed version."""
    return Write(_PUT_BACK, [{"of": name, "as": version}])


def remove(name: str, now: float) -> Write:
    """Remove all versions."""
    return Write(_REMOVE, [{"of": name, "at": now}])


async def one(store: Store, name: str, version: int) -> RowMapping | None:
    """This version, removed or not."""
    return await store.read_one(select(table).where(table.c.name == name, table.c.version == version))


async def newest(store: Store, name: str, *, removed: bool = False) -> RowMapping | None:
    """The newest version; with `removed` even a removed one."""
    query = select(table).where(table.c.name == name)
    query = query if removed else query.where(table.c.removed_at.is_(None))
    return await store.read_one(query.order_by(table.c.version.desc()).limit(1))


async def newest_of_all(store: Store) -> list[DefinitionRecord]:
    """The newest version of each that is not removed, by name."""
    last = (
        select(table.c.name, func.max(table.c.version).label("version"))
        .where(table.c.removed_at.is_(None))
        .group_by(table.c.name)
        .subquery()
    )
    query = select(table).join(last, (table.c.name == last.c.name) & (table.c.version == last.c.version))
    return [record(row) for row in await store.read(query.order_by(table.c.name))]


def record(row: RowMapping) -> DefinitionRecord:
    """Convert a row."""
    definition = msgspec.json.decode(row["content"], type=Definition)
    return DefinitionRecord(
        definition=definition, version=row["version"], schema=input_schema(definition.inputs),
        created_at=row["created_at"], created_by=row["created_by"], removed_at=row["removed_at"],
    )  # fmt: skip
