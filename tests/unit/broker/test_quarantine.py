"""What is set aside keeps its contents under another name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetfold_broker.quarantine import set_aside


def test_a_database_that_is_set_aside_keeps_what_is_in_its_log(tmp_path: Path) -> None:
    file = tmp_path / "master.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE job (id TEXT)")
        database.execute("INSERT INTO job VALUES ('j1')")
        kept = set_aside(file, "before-1")  # as after kill -9: the log has not been written back
    assert kept == tmp_path / "master.db.before-1"
    assert not list(tmp_path.glob("master.db-*"))
    with closing(sqlite3.connect(kept)) as database:
        assert database.execute("SELECT id FROM job").fetchall() == [("j1",)]


@pytest.mark.parametrize("mark", [None, "before-1"])
def test_nothing_that_was_set_aside_is_overwritten(tmp_path: Path, mark: str | None) -> None:
    kept: list[Path | None] = []
    for text in ("first", "second"):
        (tmp_path / "keys").write_text(text)
        kept.append(set_aside(tmp_path / "keys", mark))
    assert [path.read_text() for path in kept if path] == ["first", "second"]
    assert set_aside(tmp_path / "keys", mark) is None
