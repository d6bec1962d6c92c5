"""A ledger of an earlier version is brought up to date, and what it was is kept for a week; a later one is refused."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetfold_child.ledger.admission import Plan
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_child.ledger.pre_upgrade_copy import RETENTION_S
from fleetfold_shared import __version__
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict
from support.executors import command

COPY = f"node.db.before-{__version__}"


async def _old(file: Path) -> None:
    """A ledger as fleetfold 0.1 left it, with one command in progress."""
    ledger = await Ledger.open(file)
    await ledger.admit(command("a", "order"), Plan("idempotent"))
    await ledger.close()
    with closing(sqlite3.connect(file)) as old, old:
        for column in ("caller", "role"):
            old.execute(f"ALTER TABLE fleetfold_command DROP COLUMN {column}")
        old.execute("UPDATE fleetfold_schema SET version = 1")


def _columns(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as found:
        return {row[1] for row in found.execute("PRAGMA table_info(fleetfold_command)")}


def _copies(folder: Path) -> list[Path]:
    return list(folder.glob("*before*"))


def _version(file: Path) -> int:
    with closing(sqlite3.connect(file)) as found:
        return int(found.execute("SELECT max(version) FROM fleetfold_schema").fetchone()[0])


async def test_a_ledger_of_before_is_brought_up_to_date_and_a_copy_is_kept(tmp_path: Path) -> None:
    await _old(tmp_path / "node.db")
    ledger = await Ledger.open(tmp_path / "node.db")
    admitted = await ledger.admit(command("a", "order"), Plan("idempotent"))
    await ledger.close()
    assert admitted.starts == 2  # what was in progress is known
    assert {"caller", "role"} <= _columns(tmp_path / "node.db")
    assert not {"caller", "role"} & _columns(tmp_path / COPY)
    assert (_version(tmp_path / "node.db"), _version(tmp_path / COPY)) == (2, 1)
    assert (tmp_path / COPY).stat().st_mode & 0o777 == 0o600


async def test_a_copy_has_what_was_only_in_the_log(tmp_path: Path) -> None:
    await _old(tmp_path / "node.db")
    with closing(sqlite3.connect(tmp_path / "node.db")) as killed:  # it is open still, so nothing moved out of the log
        killed.execute("INSERT INTO fleetfold_schema VALUES (0)")
        killed.commit()
        await (await Ledger.open(tmp_path / "node.db")).close()
    with closing(sqlite3.connect(tmp_path / COPY)) as copy:
        assert copy.execute("SELECT count(*) FROM fleetfold_schema").fetchone() == (2,)


async def test_a_ledger_of_this_version_and_a_new_one_are_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        await (await Ledger.open(tmp_path / "node.db")).close()
    assert _copies(tmp_path) == []


async def test_a_copy_is_removed_after_a_week(tmp_path: Path) -> None:
    await _old(tmp_path / "node.db")
    clock = ManualClock()
    ledger = await Ledger.open(tmp_path / "node.db", clock=clock)
    os.utime(tmp_path / COPY, (clock.wall(), clock.wall()))
    await ledger.prune(RETENTION_S)
    assert (tmp_path / COPY).exists()
    clock.advance(RETENTION_S + 1)
    await ledger.prune(RETENTION_S)
    await ledger.close()
    assert not (tmp_path / COPY).exists()


async def test_a_later_ledger_is_refused_in_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    await (await Ledger.open(tmp_path / "node.db")).close()
    with closing(sqlite3.connect(tmp_path / "node.db")) as newer, newer:
        newer.execute("UPDATE fleetfold_schema SET version = 99")
        newer.execute("DROP TABLE fleetfold_command")
    with pytest.raises(Conflict, match=r"node.db: written by a newer fleetfold .*upgrade fleetfold") as refused:
        await Ledger.open(tmp_path / "node.db")
    assert "\n" not in refused.value.message
    assert _columns(tmp_path / "node.db") == set()
