"""What retention deletes, and what it never does."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from fleetfold.backup import BackupRetention, apply_retention, list_backups, verify_backup
from fleetfold.backup.catalogue import OBJECTS, manifest_name, read_manifest, started_name
from fleetfold.backup.manifest import BackupManifest, encode_manifest
from fleetfold_shared.errors import InvalidInput
from support.backups import FleetData

DAY_S = 86_400.0


@pytest.fixture
async def data(tmp_path: Path) -> FleetData:
    return await FleetData.make(tmp_path / "state")


def aged(data: FleetData, made: BackupManifest, days: float, name: str = "") -> BackupManifest:
    """The same backup, as if it had been made so long ago."""
    old = msgspec.structs.replace(made, id=name or f"19{100 - days:03.0f}", began_at=time.time() - days * DAY_S)
    data.target.write(manifest_name(old.id), encode_manifest(old))
    return old


def ids(data: FleetData) -> set[str]:
    return {entry.id for entry in list_backups(data.target)}


def test_the_latest_are_kept_and_whatever_they_need(data: FleetData) -> None:
    first = data.back_up()
    second = data.back_up()
    data.add_job("new")
    third = data.back_up()
    removed = apply_retention(data.target, BackupRetention(keep=2))
    latest = sorted([first.id, second.id, third.id])[1:]
    assert ids(data) == set(latest)
    assert len(removed.ids) == 1
    for backup in latest:
        assert verify_backup(data.target, read_manifest(data.target, backup)).ok


def test_files_that_no_backup_needs_are_deleted(data: FleetData) -> None:
    old = aged(data, data.back_up(), 9, "2000")
    data.target.delete(manifest_name(next(iter(ids(data) - {"2000"}))))
    data.add_job("new")
    newer = data.back_up(["master"])
    before = set(data.target.names(OBJECTS))
    aged(data, old, 10, "1999")
    removed = apply_retention(data.target, BackupRetention(keep=1))
    assert removed.ids == ["1999"]
    assert set(data.target.names(OBJECTS)) == before  # 2000 needs them
    data.target.delete(manifest_name("2000"))
    removed = apply_retention(data.target, BackupRetention(keep=1))
    assert removed.files > 0
    assert removed.bytes > 0
    assert verify_backup(data.target, newer).ok


def test_young_ones_are_kept_though_they_are_many(data: FleetData) -> None:
    made = data.back_up()
    for days in (1, 2, 40):
        aged(data, made, days)
    removed = apply_retention(data.target, BackupRetention(keep=1, keep_days=30))
    assert removed.ids == ["19060"]


def test_the_latest_one_is_kept_however_old_it_is(data: FleetData) -> None:
    made = data.back_up()
    assert apply_retention(data.target, BackupRetention(keep_days=1), now=made.began_at + 99 * DAY_S).ids == []


def test_backups_of_other_parts_are_counted_by_themselves(data: FleetData) -> None:
    data.back_up(["master"])
    data.back_up(["nodes/shop"])
    assert apply_retention(data.target, BackupRetention(keep=1)).ids == []


def test_while_a_backup_is_being_made_no_file_is_deleted(data: FleetData) -> None:
    old = aged(data, data.back_up(), 9, "2000")
    data.target.delete(manifest_name(next(iter(ids(data) - {"2000"}))))
    data.add_job("new")
    data.back_up()
    began = {"began_at": time.time(), "host": "other"}
    data.target.write(started_name("9999"), msgspec.json.encode(began))
    removed = apply_retention(data.target, BackupRetention(keep=1))
    assert (removed.ids, removed.files) == ([old.id], 0)
    removed = apply_retention(data.target, BackupRetention(keep=1), now=time.time() + 2 * DAY_S)
    assert removed.files > 0
    assert "9999" not in ids(data)


@pytest.mark.parametrize("rule", [BackupRetention(keep=0), BackupRetention(keep_days=0)])
def test_a_rule_that_keeps_nothing_is_refused(data: FleetData, rule: BackupRetention) -> None:
    with pytest.raises(InvalidInput):
        apply_retention(data.target, rule)


def test_a_manifest_that_cannot_be_read_stops_it(data: FleetData) -> None:
    made = data.back_up()
    data.back_up()
    data.target.write(manifest_name(made.id), b"{")
    with pytest.raises(InvalidInput, match="damaged"):
        apply_retention(data.target, BackupRetention(keep=1))
    assert len(ids(data)) == 2
