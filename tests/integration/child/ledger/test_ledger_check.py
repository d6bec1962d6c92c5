"""The ledger's own check, against a real file: what it finds, and that the ledger works again when that is mended."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CommandResult


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(tmp_path / "node.db")
    await ledger.record_external_result(CommandResult(id="a", attempt=1, epoch=1, outcome="ok", ms=1.0))
    yield ledger
    await ledger.close()


async def broken(ledger: Ledger) -> str:
    """Why the check fails."""
    with pytest.raises(Unavailable) as refused:
        await ledger.check(False)
    return refused.value.message


async def test_a_sound_ledger_passes(ledger: Ledger) -> None:
    await ledger.check(False)
    await ledger.check(True)


async def test_a_disk_without_room_is_found_once_a_command_has_failed_though_small_writes_still_fit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)  # SQLite does not call it
        await ledger.check(False)
        with pytest.raises(Unavailable, match=r"node\.db .* does not work \(no space left on device\)"):
            await ledger.check(True)
    await ledger.check(True)


async def test_a_file_that_was_moved_away_is_missed_and_the_same_file_found_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    file = tmp_path / "node.db"
    file.rename(tmp_path / "away.db")
    assert "node.db in the node's data does not work (it is missing)" in await broken(ledger)
    assert not file.exists()
    (tmp_path / "away.db").rename(file)
    await ledger.check(False)
    assert (await ledger.result_of("a")) is not None


async def test_nothing_is_written_to_a_file_that_is_lost(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "node.db").rename(tmp_path / "away.db")
    await broken(ledger)
    with pytest.raises(Exception, match="unable to open"):
        await ledger.record_external_result(CommandResult(id="b", attempt=1, epoch=1, outcome="ok", ms=1.0))


async def test_a_deleted_file_is_missed_and_its_copy_is_taken(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "node.db"
    with sqlite3.connect(file) as source, sqlite3.connect(tmp_path / "copy.db") as copy:
        source.backup(copy)
    file.unlink()
    assert "(it is missing)" in await broken(ledger)
    shutil.copy(tmp_path / "copy.db", file)
    await ledger.check(False)
    await ledger.record_external_result(CommandResult(id="b", attempt=1, epoch=1, outcome="ok", ms=1.0))
    with sqlite3.connect(file) as now:
        assert {row[0] for row in now.execute("SELECT id FROM fleetfold_command")} == {"a", "b"}


async def test_a_file_that_is_no_ledger_is_not_taken_for_one(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "node.db"
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE something (x)")
    file.rename(tmp_path / "away.db")
    (tmp_path / "other.db").rename(file)
    assert "(it was replaced)" in await broken(ledger)
    file.unlink()
    (tmp_path / "away.db").rename(file)
    await ledger.check(False)


async def test_a_directory_in_its_place_is_told(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "node.db"
    file.rename(tmp_path / "away.db")
    file.mkdir()
    assert "(it is not a regular file)" in await broken(ledger)
    file.rmdir()
    (tmp_path / "away.db").rename(file)
    await ledger.check(False)


async def test_damage_is_found_and_gone_when_it_is_mended(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "node.db"
    with sqlite3.connect(file) as flushing:
        flushing.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = file.read_bytes()
    _overwrite(file, sound[:4096] + b"\xff" * (len(sound) - 4096))
    assert "node.db in the node's data does not work" in await broken(ledger)
    _overwrite(file, sound)
    await ledger.check(True)


async def test_a_ledger_that_somebody_else_has_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_child.ledger.node_database.open_writer.__kwdefaults__", {"busy_timeout_s": 0.01})
    ledger = await Ledger.open(tmp_path / "node.db")
    other = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "(database is locked)" in await broken(ledger)
    other.execute("ROLLBACK")
    await ledger.check(False)
    other.close()
    await ledger.close()


async def test_a_broken_ledger_does_not_keep_the_node_from_ending(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "node.db")
    (tmp_path / "node.db").unlink()
    await broken(ledger)
    await ledger.close()


def _overwrite(file: Path, data: bytes) -> None:
    """The same file, with other bytes."""
    with file.open("r+b") as handle:
        handle.write(data)
