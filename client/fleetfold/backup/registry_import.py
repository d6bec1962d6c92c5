"""Import of an export into a master's database: what it would change, and the change itself, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, insert, select, update

from fleetfold.backup.postgres_dump import check_unused
from fleetfold.backup.registry_database import Exported, connected, read_registry, row_of, table_of
from fleetfold.backup.registry_export import ExportedKey, ExportedNode, RegistryFile
from fleetfold.backup.store_locations import BackupPlaces
from fleetfold_broker.file_lock import FileLock
from fleetfold_shared.errors import Conflict

__all__ = ["ImportChange", "import_registry"]

Part = Literal["node", "definition", "schedule", "key"]


class ImportChange(msgspec.Struct, frozen=True):
    """What becomes of one item: `add` a new one, `same` is there already, `replace` changes `fields` of one that is.

    A `clash` would change one too, which takes `--replace`; if it has a `reason`, not even that will do.
    """

    part: Part
    name: str
    change: Literal["add", "same", "replace", "clash"]
    fields: list[str] = []
    reason: str = ""


def import_registry(
    places: BackupPlaces, wanted: RegistryFile, *, replace: bool = False, dry_run: bool = False
) -> list[ImportChange]:
    """Make the changes in the master's database, or tell them for a dry run.

    Raises `Conflict`, and changes nothing, if one of them is a clash, or if a master runs: it would not see them.
    """
    if dry_run:
        with connected(places) as connection:
            return _plan(connection, wanted, replace=replace)
    with _without_master(places), connected(places) as connection:
        return _apply(connection, wanted, replace=replace)


@contextmanager
def _without_master(places: BackupPlaces) -> Iterator[None]:
    if places.master_file is None:
        check_unused(places.database or "", force=True)
    with FileLock(places.master / "master.lock").claim(f"data: a master uses {places.master}; stop it first"):
        yield


def _plan(connection: Connection, wanted: RegistryFile, *, replace: bool) -> list[ImportChange]:
    there = read_registry(connection)
    return [
        change
        for part, items, found in _sections(wanted, there)
        for change in _compare(connection, part, items, found, wanted, there, replace=replace)
    ]


def _apply(connection: Connection, wanted: RegistryFile, *, replace: bool) -> list[ImportChange]:
    changes = _plan(connection, wanted, replace=replace)
    clashes = [change for change in changes if change.change == "clash"]
    if clashes:
        first = clashes[0]
        why = first.reason or f"it is there with another {', '.join(first.fields)}; see --dry-run, or --replace it"
        more = f" (and {len(clashes) - 1} more)" if len(clashes) > 1 else ""
        raise Conflict(f"{first.part} {first.name}: {why}{more}", field=first.part)
    items = [(part, item) for part, some, _ in _sections(wanted, wanted) for item in some]
    for change, (_, item) in zip(changes, items, strict=True):
        if change.change in {"add", "replace"}:
            _write(connection, item)
    return changes


def _sections(wanted: RegistryFile, there: RegistryFile) -> Iterator[tuple[Part, list[Exported], list[Exported]]]:
    yield "node", [*wanted.nodes], [*there.nodes]
    yield "definition", [*wanted.definitions], [*there.definitions]
    yield "schedule", [*wanted.schedules], [*there.schedules]
    yield "key", [*wanted.keys], [*there.keys]


def _compare(
    connection: Connection, part: Part, items: Iterable[Exported], found: Iterable[Exported], wanted: RegistryFile,
    there: RegistryFile, *, replace: bool,
) -> Iterator[ImportChange]:  # fmt: skip
    known = {_key(item): item for item in found}
    for item in items:
        other, name = known.get(_key(item)), _shown(item)
        if other == item:
            yield ImportChange(part, name, "same")
        elif reason := _forbidden(connection, item, wanted, there):
            yield ImportChange(part, name, "clash", reason=reason)
        elif other is None:
            yield ImportChange(part, name, "add")
        else:
            yield ImportChange(part, name, "replace" if replace else "clash", _different(item, other))


def _forbidden(connection: Connection, item: Exported, wanted: RegistryFile, there: RegistryFile) -> str:
    """Why an item may not be imported, whatever is asked for; empty if it may."""
    if isinstance(item, ExportedNode):
        taken = any(key.name == item.name for key in (*there.keys, *wanted.keys))
        return "an API key has this name; keys and nodes share one namespace" if taken else ""
    if not isinstance(item, ExportedKey):
        return ""
    if any(each.name == item.name for each in there.nodes):
        return "a node has this name; keys and nodes share one namespace"
    if any(each.name == item.name and (each.role, each.scopes) != (item.role, item.scopes) for each in there.keys):
        return "another key of this name has another role or other scopes"
    return "it was revoked here, and stays revoked" if _stored(connection, item) and item not in there.keys else ""


def _write(connection: Connection, item: Exported) -> None:
    table, row = table_of(item), row_of(item)
    if _stored(connection, item):
        connection.execute(update(table).where(*_is(item)).values(row))
    else:
        connection.execute(insert(table).values(row))


def _stored(connection: Connection, item: Exported) -> bool:
    """Whether there is a row, also of what was removed."""
    return connection.execute(select(table_of(item)).where(*_is(item))).first() is not None


def _is(item: Exported) -> list[Any]:
    return [column == getattr(item, column.name) for column in table_of(item).primary_key]


def _key(item: Exported) -> tuple[Any, ...]:
    return tuple(getattr(item, column.name) for column in table_of(item).primary_key)


def _shown(item: Exported) -> str:
    return f"{item.name} ({item.id})" if isinstance(item, ExportedKey) else "@".join(str(one) for one in _key(item))


def _different(item: Exported, other: Exported) -> list[str]:
    return [name for name in item.__struct_fields__ if getattr(item, name) != getattr(other, name)]
