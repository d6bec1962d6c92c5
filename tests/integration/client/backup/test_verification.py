"""Verification finds each kind of damage, and names the store."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fleetfold.backup import BackupManifest, verify_backup
from fleetfold.backup.catalogue import object_name
from support.backups import PASSPHRASE, FleetData


@pytest.fixture
async def data(tmp_path: Path) -> FleetData:
    return await FleetData.make(tmp_path / "state")


def problems(data: FleetData, made: BackupManifest) -> dict[str, str]:
    return {check.path: check.problem for check in verify_backup(data.target, made).stores if check.problem}


def stored(data: FleetData, made: BackupManifest, path: str) -> Path:
    [file] = made.below(path)
    return data.place.with_name("state-backups") / object_name(file.sha256)


def test_a_whole_backup_is_opened_and_its_rows_are_counted(data: FleetData) -> None:
    made = data.back_up(passphrase=PASSPHRASE)
    found = verify_backup(data.target, made, PASSPHRASE)
    assert found.ok
    assert {check.path: check.rows for check in found.stores}["nodes/shop/lance/things.lance"] == 20
    assert not any(check.note for check in found.stores)


def test_what_could_not_be_opened_is_said(data: FleetData) -> None:
    made = data.back_up(passphrase=PASSPHRASE)
    [sealed] = [check for check in verify_backup(data.target, made).stores if check.kind == "secrets"]
    assert sealed.note == "not opened: no passphrase was given"


def test_a_changed_a_shortened_and_a_missing_file_are_found(data: FleetData) -> None:
    made = data.back_up()
    file = stored(data, made, "master/master.db")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"x")
    assert "another content" in problems(data, made)["master/master.db"]
    file.write_bytes(content[:100])
    assert "has 100 bytes" in problems(data, made)["master/master.db"]
    file.unlink()
    assert problems(data, made) == {"master/master.db": "master/master.db is missing"}


def test_rows_that_are_not_those_of_the_manifest_are_found(data: FleetData) -> None:
    made = data.back_up()
    stores = [msgspec.structs.replace(store, rows={**store.rows, "job": 7, "documents": 7}) for store in made.stores]
    found = problems(data, msgspec.structs.replace(made, stores=stores))
    assert found["master/master.db"].startswith("the table documents has 0 rows, not 7")
    assert found["nodes/shop/lance/things.lance"] == "it has 20 documents, not 7"


def test_a_table_that_cannot_be_read_is_found(data: FleetData) -> None:
    made = data.back_up()
    files = [file for file in made.files if "/data/" not in file.path]
    found = problems(data, msgspec.structs.replace(made, files=files))
    assert "cannot be read" in found["nodes/shop/lance/things.lance"]
