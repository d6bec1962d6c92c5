"""Backups put back: where they go, what is refused, and what is told."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fleetfold.backup import BackupManifest, RestoredBackup, find_backup, restore_backup
from fleetfold.backup.catalogue import manifest_name, object_name
from fleetfold_broker.file_lock import FileLock
from fleetfold_child.data_lock import DataLock
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound, Unavailable
from fleetfold_shared.restored_marker import MARKER, RestoredMarker
from support.backups import PASSPHRASE, FleetData, open_table


@pytest.fixture
async def data(tmp_path: Path) -> FleetData:
    return await FleetData.make(tmp_path / "state")


def put_back(data: FleetData, made: BackupManifest, place: Path, **options: object) -> RestoredBackup:
    given = {"passphrase": None, **options}
    return restore_backup(data.target, made, FleetData(place).places, **given)  # type: ignore[arg-type]  # by name


def rows(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def test_all_stores_are_as_they_were(data: FleetData, tmp_path: Path) -> None:
    data.add_job("j1")
    data.add_command("j.j1.shop", time.time())
    made = data.back_up(passphrase=PASSPHRASE)
    data.add_job("j2")
    done = put_back(data, made, tmp_path / "new", passphrase=PASSPHRASE)
    new = FleetData(tmp_path / "new")
    assert (rows(new.master_file, "job"), rows(new.ledger, "fleetfold_command")) == (1, 1)
    table = await open_table(new.node)
    assert len(await table.ids()) == 20
    await table.close()
    assert (new.place / "keys" / "signing.json").read_bytes() == b'{"secret":1}'
    assert (new.place / "keys" / "signing.json").stat().st_mode & 0o077 == 0
    assert done.unknown == []


async def test_a_marker_beside_each_database_says_that_it_was_restored(data: FleetData, tmp_path: Path) -> None:
    made = data.back_up()
    put_back(data, made, tmp_path / "new")
    for folder, part in (("master", "master"), ("children/shop", "nodes/shop")):
        marker = msgspec.json.decode((tmp_path / "new" / folder / MARKER).read_bytes(), type=RestoredMarker)
        assert (marker.backup, marker.part) == (made.id, part)
        assert made.began_at <= marker.taken_at <= made.ended_at <= marker.restored_at


async def test_credentials_of_a_node_come_back_only_when_asked_for(data: FleetData, tmp_path: Path) -> None:
    made = data.back_up(passphrase=PASSPHRASE)
    done = put_back(data, made, tmp_path / "without", passphrase=PASSPHRASE)
    assert done.left_out == ["nodes/shop/credentials.json: invite the node again, or give --credentials"]
    assert not (FleetData(tmp_path / "without").node / "credentials.json").exists()
    put_back(data, made, tmp_path / "with", passphrase=PASSPHRASE, credentials=True)
    assert (FleetData(tmp_path / "with").node / "credentials.json").exists()


async def test_one_part_alone_can_be_put_back(data: FleetData, tmp_path: Path) -> None:
    made = data.back_up(passphrase=PASSPHRASE)
    put_back(data, made, tmp_path / "new", parts=["nodes/shop"], passphrase=PASSPHRASE)
    assert FleetData(tmp_path / "new").ledger.exists()
    assert not (tmp_path / "new" / "master").exists()
    assert not (tmp_path / "new" / "keys").exists()
    with pytest.raises(NotFound, match="nodes/blog"):
        put_back(data, made, tmp_path / "other", parts=["nodes/blog"])


async def test_a_place_that_is_not_empty_is_refused_and_with_force_moved_aside(data: FleetData) -> None:
    made = data.back_up()
    data.add_job("later")
    with pytest.raises(Conflict, match=r"is not empty \(master\.db\).*--force"):
        put_back(data, made, data.place)
    assert rows(data.master_file, "job") == 1
    done = put_back(data, made, data.place, force=True)
    assert rows(data.master_file, "job") == 0
    [aside] = [Path(path) for path in done.moved if "/master." in path]
    assert rows(aside / "master.db", "job") == 1


async def test_the_present_credentials_of_a_node_stay(data: FleetData) -> None:
    made = data.back_up(passphrase=PASSPHRASE)
    (data.node / "credentials.json").write_bytes(b'{"node":"shop","newer":1}')
    put_back(data, made, data.place, passphrase=PASSPHRASE, force=True)
    assert (data.node / "credentials.json").read_bytes() == b'{"node":"shop","newer":1}'
    put_back(data, made, data.place, passphrase=PASSPHRASE, force=True, credentials=True)
    assert (data.node / "credentials.json").read_bytes() == b'{"node":"shop"}'


async def test_a_daemon_that_runs_is_left_alone(data: FleetData) -> None:
    made = data.back_up()
    lock = FileLock(data.place / "master" / "master.lock").claim("")
    with pytest.raises(Conflict, match="a master uses"):
        put_back(data, made, data.place, force=True)
    lock.release()
    with DataLock(data.node), pytest.raises(Conflict, match="in use by process"):
        put_back(data, made, data.place, force=True)


async def test_another_passphrase_restores_nothing(data: FleetData, tmp_path: Path) -> None:
    made = data.back_up(passphrase=PASSPHRASE)
    with pytest.raises(InvalidInput, match="does not open the secrets"):
        put_back(data, made, tmp_path / "new", passphrase="another one, as long")
    assert not FleetData(tmp_path / "new").master_file.exists()


async def test_a_damaged_or_missing_file_restores_nothing(data: FleetData, tmp_path: Path) -> None:
    made = data.back_up()
    ledger = data.place.with_name("state-backups") / object_name(made.below("nodes/shop/node.db")[0].sha256)
    content = ledger.read_bytes()
    ledger.write_bytes(content[:-1] + b"x")
    with pytest.raises(InvalidInput, match=r"node\.db is damaged"):
        put_back(data, made, tmp_path / "new")
    ledger.unlink()
    with pytest.raises(InvalidInput, match=r"node\.db is missing"):
        put_back(data, made, tmp_path / "new")
    assert not FleetData(tmp_path / "new").master_file.exists()
    assert not list((tmp_path / "new").rglob(".restoring*"))


@pytest.mark.parametrize(("field", "value"), [("format", 2), ("fleetfold", "99.0.0")])
async def test_a_backup_of_a_newer_fleetfold_is_refused_in_one_line(data: FleetData, field: str, value: object) -> None:
    made = data.back_up()
    said = msgspec.json.decode(data.target.read(manifest_name(made.id)))
    data.target.write(manifest_name(made.id), msgspec.json.encode({**said, field: value, "new": 1}))
    with pytest.raises(Conflict, match="upgrade fleetfold"):
        find_backup(data.target, made.id)


async def test_a_manifest_that_names_files_elsewhere_is_refused(data: FleetData) -> None:
    made = data.back_up()
    said = msgspec.json.decode(data.target.read(manifest_name(made.id)))
    for path in ("/etc/passwd", "master/../../x", "nodes/./x"):
        said["files"][0]["path"] = path
        data.target.write(manifest_name(made.id), msgspec.json.encode(said))
        with pytest.raises(InvalidInput, match="not one that fleetfold has written"):
            find_backup(data.target, made.id)


async def test_a_disk_without_room_is_told_before_anything_is_written(
    data: FleetData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = data.back_up()
    usage = __import__("shutil").disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    with pytest.raises(Unavailable, match="make room"):
        put_back(data, made, tmp_path / "new")


async def test_work_that_only_the_nodes_know_is_listed(data: FleetData, tmp_path: Path) -> None:
    data.add_job("known")
    data.add_command("j.known.shop", time.time())
    data.add_command("j.lost.shop", time.time())
    data.add_command("t.lost-order.reserve.f", time.time())
    data.add_command("j.forgotten.shop", time.time() - 90 * 86_400)
    done = put_back(data, data.back_up(), tmp_path / "new")
    assert [(one.kind, one.id, one.node, one.outcome) for one in done.unknown] == [
        ("job", "lost", "shop", "ok"), ("transaction", "lost-order", "shop", "ok"),
    ]  # fmt: skip


async def test_a_database_elsewhere_is_put_back_there(data: FleetData, tmp_path: Path) -> None:
    made = data.back_up(["master"])
    places = replace(FleetData(tmp_path / "new").places, database=f"sqlite:///{tmp_path / 'shared' / 'fleet.db'}")
    restore_backup(data.target, made, places)
    assert rows(tmp_path / "shared" / "fleet.db", "job") == 0
    assert (tmp_path / "shared" / MARKER).exists()
    assert not (tmp_path / "new" / "master" / "master.db").exists()
