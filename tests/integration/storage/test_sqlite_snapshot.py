"""Copies of an SQLite file that another connection is writing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetfold_storage.sqlite_integrity import check_pages
from fleetfold_storage.sqlite_snapshot import SqliteSnapshot, open_copy, row_counts


def written(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE thing (x)")
    connection.execute("INSERT INTO thing VALUES (1)")
    return connection


def test_a_snapshot_has_what_was_committed_when_it_was_taken_and_blocks_no_writer(tmp_path: Path) -> None:
    with closing(written(tmp_path / "live.db")) as live, SqliteSnapshot(tmp_path / "live.db") as snapshot:
        live.execute("INSERT INTO thing VALUES (2)")
        snapshot.copy(tmp_path / "copy.db")
        with open_copy(tmp_path / "copy.db") as copy:
            assert row_counts(copy) == {"thing": 1}
        assert live.execute("SELECT count(*) FROM thing").fetchone() == (2,)


def test_a_copy_is_one_file_without_a_log(tmp_path: Path) -> None:
    with closing(written(tmp_path / "live.db")), SqliteSnapshot(tmp_path / "live.db") as snapshot:
        (tmp_path / "made").mkdir()
        snapshot.copy(tmp_path / "made" / "copy.db")
    with open_copy(tmp_path / "made" / "copy.db") as copy:
        check_pages(copy, indexes=True)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["copy.db"]


def test_a_damaged_page_is_told(tmp_path: Path) -> None:
    with closing(written(tmp_path / "live.db")) as live:
        live.executemany("INSERT INTO thing VALUES (?)", [("x" * 100,) for _ in range(500)])
        with SqliteSnapshot(tmp_path / "live.db") as snapshot:
            snapshot.copy(tmp_path / "copy.db")
    content = bytearray((tmp_path / "copy.db").read_bytes())
    content[8192:12288] = b"\xa5" * 4096
    (tmp_path / "copy.db").write_bytes(content)
    with open_copy(tmp_path / "copy.db") as copy, pytest.raises(sqlite3.DatabaseError):
        check_pages(copy)


def test_what_a_crash_has_left_in_the_log_is_in_the_snapshot(tmp_path: Path) -> None:
    (tmp_path / "crashed").mkdir()
    with closing(written(tmp_path / "live.db")):
        for name in ("live.db", "live.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "crashed" / name)
    with SqliteSnapshot(tmp_path / "crashed" / "live.db") as snapshot:
        snapshot.copy(tmp_path / "copy.db")
    with open_copy(tmp_path / "copy.db") as copy:
        assert row_counts(copy) == {"thing": 1}
