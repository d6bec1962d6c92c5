"""Export of a master's registry as JSON, and its import: what changes, and what is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fleetfold.backup.registry_database import connected, read_registry
from fleetfold.backup.registry_export import (
    ExportedDefinition,
    ExportedKey,
    ExportedNode,
    ExportedSchedule,
    RegistryFile,
    decode_registry,
    encode_registry,
)
from fleetfold.backup.registry_import import import_registry
from fleetfold_broker.file_lock import FileLock
from fleetfold_master.schedules.rows import read_page
from fleetfold_master.store import Store
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound
from fleetfold_shared.messages import Definition, ScheduleSpec, StepSpec
from support.backups import FleetData

KEY = ExportedKey(
    id="k1", name="billing", digest="a" * 64, role="publisher", created_at=1.0, created_by="ann", expires_at=None
)
REGISTRY = RegistryFile(
    nodes=[ExportedNode(name="shop", title="The shop", labels={"zone": "eu"}, state="maintenance", registered_at=1.0)],
    definitions=[
        ExportedDefinition(
            name="order", version=1, created_at=1.0, created_by="ann",
            content=Definition(name="order", steps=[StepSpec(name="reserve", node="shop", action="reserve_stock")]),
        )
    ],
    schedules=[
        ExportedSchedule(
            name="nightly", version=1, caller="ann", anchor=0.0, created_at=1.0, changed_at=1.0,
            spec=ScheduleSpec(name="nightly", every_s=3600, run={"action": "sync", "nodes": ["shop"]}),
        )
    ],
    keys=[KEY],
)  # fmt: skip


@pytest.fixture
async def data(tmp_path: Path) -> FleetData:
    data = FleetData(tmp_path / "state")
    await (await Store.open(f"sqlite:///{data.master_file}")).close()
    return data


def exported(data: FleetData) -> RegistryFile:
    with connected(data.places) as connection:
        return read_registry(connection)


def change(data: FleetData, sql: str) -> None:
    with closing(sqlite3.connect(data.master_file)) as database, database:
        assert database.execute(sql).rowcount == 1


def test_what_is_imported_is_exported_again_byte_by_byte(data: FleetData) -> None:
    changes = import_registry(data.places, REGISTRY)
    assert [(one.part, one.change) for one in changes] == [
        ("node", "add"), ("definition", "add"), ("schedule", "add"), ("key", "add"),
    ]  # fmt: skip
    assert exported(data) == REGISTRY
    text = encode_registry(exported(data))
    assert decode_registry(text, "file") == REGISTRY
    assert {one.change for one in import_registry(data.places, decode_registry(text, "file"))} == {"same"}
    assert encode_registry(exported(data)) == text


def test_times_that_change_by_themselves_are_not_in_it(data: FleetData) -> None:
    import_registry(data.places, REGISTRY)
    text = encode_registry(exported(data))
    change(data, "UPDATE node SET last_seen_at = 99, heartbeat_s = 5")
    change(data, "UPDATE api_key SET last_used_at = 99")
    change(data, "UPDATE schedule SET turn = 9, looked_at = 99, next_at = 99, due_at = 99")
    assert encode_registry(exported(data)) == text


async def test_an_imported_schedule_is_due_again(data: FleetData) -> None:
    import_registry(data.places, REGISTRY)
    store = await Store.open(f"sqlite:///{data.master_file}")
    try:
        [standing] = await read_page(store, "", 10)
    finally:
        await store.close()
    assert standing.due_at is not None
    assert standing.due_at > standing.looked_at


def test_a_dry_run_tells_and_changes_nothing(data: FleetData) -> None:
    changes = import_registry(data.places, REGISTRY, dry_run=True)
    assert {one.change for one in changes} == {"add"}
    assert exported(data) == RegistryFile()


def test_other_content_is_a_clash_that_changes_nothing_until_it_may_replace(data: FleetData) -> None:
    import_registry(data.places, REGISTRY)
    node = msgspec.structs.replace(REGISTRY.nodes[0], title="Another", weight=2.0)
    wanted = RegistryFile(nodes=[node, ExportedNode(name="blog", registered_at=2.0)])
    with pytest.raises(Conflict, match=r"node shop: it is there with another title, weight; .*--replace"):
        import_registry(data.places, wanted)
    assert exported(data) == REGISTRY
    import_registry(data.places, wanted, replace=True)
    assert [one.name for one in exported(data).nodes] == ["blog", "shop"]
    assert exported(data).nodes[1] == node


def test_a_key_that_was_revoked_stays_revoked(data: FleetData) -> None:
    import_registry(data.places, REGISTRY)
    change(data, "UPDATE api_key SET revoked_at = 5")
    assert exported(data).keys == []
    with pytest.raises(Conflict, match="stays revoked"):
        import_registry(data.places, RegistryFile(keys=[KEY]), replace=True)


def test_keys_and_nodes_share_one_namespace_and_a_name_has_one_role(data: FleetData) -> None:
    import_registry(data.places, REGISTRY)
    for wanted, why in (
        (RegistryFile(nodes=[ExportedNode(name="billing", registered_at=1.0)]), "an API key has this name"),
        (RegistryFile(keys=[msgspec.structs.replace(KEY, id="k2", name="shop")]), "a node has this name"),
        (RegistryFile(keys=[msgspec.structs.replace(KEY, id="k2", role="admin")]), "another role"),
    ):
        with pytest.raises(Conflict, match=why):
            import_registry(data.places, wanted, replace=True)


def test_a_removed_node_is_put_back(data: FleetData) -> None:
    import_registry(data.places, REGISTRY)
    change(data, "UPDATE node SET state = 'removed', removed_at = 5")
    [shop] = import_registry(data.places, RegistryFile(nodes=REGISTRY.nodes))
    assert shop.change == "add"
    assert exported(data).nodes == REGISTRY.nodes


def test_a_master_that_runs_is_not_imported_into_but_exported(data: FleetData) -> None:
    with FileLock(data.places.master / "master.lock").claim(""):
        assert exported(data) == RegistryFile()
        assert import_registry(data.places, REGISTRY, dry_run=True)
        with pytest.raises(Conflict, match="stop it first"):
            import_registry(data.places, REGISTRY)


def test_a_wrong_file_is_refused_by_its_field(data: FleetData) -> None:
    text = encode_registry(REGISTRY)
    with pytest.raises(InvalidInput, match=r"fleet.json: nodes\[0\]\.state"):
        decode_registry(text.replace(b'"maintenance"', b'"asleep"'), "fleet.json")
    with pytest.raises(InvalidInput, match="not JSON"):
        decode_registry(b"nodes: []", "fleet.json")
    with pytest.raises(Conflict, match="upgrade"):
        decode_registry(text.replace(b'"format": 1', b'"format": 2'), "fleet.json")


def test_a_missing_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no .*master\.db"), connected(FleetData(tmp_path / "none").places):
        pass


def test_a_database_of_another_version_is_refused(data: FleetData) -> None:
    change(data, "UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(Conflict, match="another version"):
        exported(data)
