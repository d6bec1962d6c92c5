"""A node that has lost its database is refused, unless it is to begin anew; a damaged database is kept."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold_child.ledger.lost_database import LostDatabase, open_ledger

Lose = Callable[[Path], object]


async def _open(data: Path, *, new: bool = False) -> None:
    await (await open_ledger(data, incarnation="i", new=new)).close()


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """The data directory of a node that has credentials."""
    await _open(tmp_path)
    (tmp_path / "credentials.json").write_text("{}")
    return tmp_path


def kept(data: Path) -> int:
    return len(list(data.glob("node.db.damaged-*")))


def gone(data: Path) -> None:
    (data / "node.db").unlink()


def empty(data: Path) -> None:
    os.truncate(data / "node.db", 0)


def without_tables(data: Path) -> None:
    gone(data)
    with sqlite3.connect(data / "node.db") as connection:
        connection.execute("CREATE TABLE stock (sku)")


def header(data: Path) -> None:
    with (data / "node.db").open("r+b") as file:
        file.write(b"\xde\xad" * 50)


def page(data: Path) -> None:
    with (data / "node.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xde\xad" * 2048)


LOST: list[tuple[Lose, str]] = [
    (gone, "is missing, but credentials.json beside"), (empty, "is empty, but credentials.json beside"),
    (without_tables, "holds no tables of fleetfold, but"), (header, r"is damaged \("), (page, r"is damaged \("),
]  # fmt: skip


@pytest.mark.parametrize(("lose", "said"), LOST)
async def test_it_is_refused_with_the_way_out(data: Path, lose: Lose, said: str) -> None:
    lose(data)
    with pytest.raises(LostDatabase, match=f"{said}.*`fleetfold backup restore`.*--new"):
        await _open(data)


@pytest.mark.parametrize(("lose", "said"), LOST)
async def test_with_new_it_begins_anew_and_a_damaged_one_is_kept(data: Path, lose: Lose, said: str) -> None:
    lose(data)
    await _open(data, new=True)
    await _open(data)
    assert kept(data) == (1 if "damaged" in said else 0)


@pytest.mark.parametrize("trace", ["sources.json", "collections.json", "lance/docs.lance/x", "node.db-wal"])
async def test_each_file_of_an_earlier_node_shows_that_it_is_not_new(tmp_path: Path, trace: str) -> None:
    file = tmp_path / trace
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    with pytest.raises(LostDatabase, match="is missing"):
        await _open(tmp_path)
    assert file.read_text() == "x"


async def test_an_empty_directory_is_a_new_nodes(tmp_path: Path) -> None:
    (tmp_path / "node.db").touch()  # what a process leaves that is killed at its first start
    (tmp_path / "lock").touch()
    await _open(tmp_path)


async def test_new_is_told_to_be_left_out_when_nothing_is_lost(data: Path) -> None:
    with capture_logs() as said:
        await _open(data, new=True)
    assert "node.is_not_new" in [one["event"] for one in said]
