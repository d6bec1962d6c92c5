"""A master's PostgreSQL database: dumped while it is written, checked, and put back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetfold.backup import BackupPlaces, create_backup, find_places, restore_backup, verify_backup
from fleetfold.backup.targets import DirectoryTarget
from fleetfold_master.store import Store
from fleetfold_shared.config import Config
from fleetfold_shared.errors import Conflict, InvalidInput, Unavailable
from fleetfold_shared.ids import new_id
from support.backups import FleetData
from support.postgres import Cluster

JOB = (
    "INSERT INTO job (id, digest, caller, action, params, sequential, timeout_s, state, created_at)"
    " VALUES ('{}', '', 'cli', 'post', '{{}}', false, 1, 'running', 1)"
)


@pytest.fixture
async def places(postgres: Cluster, postgres_url: str, tmp_path: Path) -> BackupPlaces:
    await (await Store.open(postgres_url)).close()
    postgres.execute(JOB.format("j1"), name_of(postgres_url))
    return find_places(Config(), tmp_path / "state", postgres_url)


def name_of(url: str) -> str:
    return url.rpartition("/@/" if "/@/" in url else "@/")[2].partition("?")[0]


async def test_a_dump_is_made_checked_and_restored_to_an_empty_database(
    postgres: Cluster, places: BackupPlaces, tmp_path: Path
) -> None:
    target = DirectoryTarget(tmp_path / "backups")
    made = create_backup(target, places, ["master"])
    [store] = made.stores
    assert (store.kind, store.rows["job"]) == ("postgresql", 1)
    assert verify_backup(target, made).ok
    name = f"test_{new_id()}"
    postgres.execute(f"CREATE DATABASE {name}")
    new = replace(places, master=tmp_path / "new" / "master", database=postgres.url(name))
    restore_backup(target, made, new)
    assert postgres.execute("SELECT id FROM job", name) == [("j1",)]
    assert (tmp_path / "new" / "master" / "restored.json").exists()
    assert not (tmp_path / "new" / "master" / "master.dump").exists()
    await (await Store.open(postgres.url(name))).close()
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_dump_has_what_was_committed_when_it_was_pinned(
    postgres: Cluster, places: BackupPlaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fleetfold.backup.postgres_dump import PinnedPostgres

    copy = PinnedPostgres.copy

    def write_first(self: PinnedPostgres, scratch: Path) -> object:
        postgres.execute(JOB.format("later"), name_of(places.database or ""))
        return copy(self, scratch)

    monkeypatch.setattr(PinnedPostgres, "copy", write_first)
    made = create_backup(DirectoryTarget(tmp_path / "backups"), places, ["master"])
    assert made.stores[0].rows["job"] == 1


def test_a_database_that_is_not_empty_or_in_use_is_refused(
    postgres: Cluster, places: BackupPlaces, tmp_path: Path
) -> None:
    import psycopg

    target = DirectoryTarget(tmp_path / "backups")
    made = create_backup(target, places, ["master"])
    with pytest.raises(Conflict, match="is not empty"):
        restore_backup(target, made, places)
    with psycopg.connect(places.database or ""), pytest.raises(Conflict, match="is in use"):
        restore_backup(target, made, places, force=True)
    postgres.execute(JOB.format("later"), name_of(places.database or ""))
    restore_backup(target, made, places, force=True)
    assert postgres.execute("SELECT id FROM job", name_of(places.database or "")) == [("j1",)]


async def test_a_dump_does_not_go_into_sqlite_nor_a_file_into_postgresql(places: BackupPlaces, tmp_path: Path) -> None:
    target = DirectoryTarget(tmp_path / "backups")
    made = create_backup(target, places, ["master"])
    with pytest.raises(InvalidInput, match="of a PostgreSQL database"):
        restore_backup(target, made, FleetData(tmp_path / "new").places)
    data = await FleetData.make(tmp_path / "other")
    with pytest.raises(InvalidInput, match="of an SQLite database"):
        restore_backup(data.target, data.back_up(["master"]), places)


def test_a_missing_program_and_a_server_that_is_away_are_one_line(
    places: BackupPlaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = replace(places, database="postgresql://fleet:secret@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="cannot be reached") as refused:
        create_backup(DirectoryTarget(tmp_path / "backups"), away, ["master"])
    assert "secret" not in refused.value.message
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match="pg_dump is not installed"):
        create_backup(DirectoryTarget(tmp_path / "backups"), places, ["master"])
