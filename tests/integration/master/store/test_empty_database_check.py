"""A master without its database is refused, unless it is to begin anew; a damaged database is kept."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold_master.store import Store
from fleetfold_shared.errors import Conflict

TRACES = ["instance_id"]


async def _open(file: Path, *, traces: list[str] = TRACES, new: bool = False) -> None:
    await (await Store.open(f"sqlite:///{file}", traces=traces, new=new)).close()


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    await _open(tmp_path / "master.db", traces=[])
    return tmp_path / "master.db"


def content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def gone(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    os.truncate(file, 0)


def without_tables(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE other (x)")


def page(file: Path) -> None:
    with file.open("r+b") as bytes_of:
        bytes_of.seek(3 * 4096)
        bytes_of.write(b"\xde\xad" * 2048)


def header(file: Path) -> None:
    with file.open("r+b") as bytes_of:
        bytes_of.write(b"\xde\xad" * 50)


LOST: list[tuple[Callable[[Path], None], str]] = [
    (gone, "is missing, but instance_id show"), (empty, "is empty, but instance_id show"),
    (without_tables, "holds no tables of"),
    (page, r"is damaged \("), (header, r"is damaged \("),
]  # fmt: skip


@pytest.mark.parametrize(("lose", "said"), LOST)
async def test_it_is_refused_and_left_as_it_is(file: Path, lose: Callable[[Path], None], said: str) -> None:
    lose(file)
    before = content(file)
    with pytest.raises(Conflict, match=f"{said}.*`fleetfold backup restore`.*--new"):
        await _open(file)
    assert content(file) == before


@pytest.mark.parametrize(("lose", "said"), LOST)
async def test_with_new_it_begins_anew_and_a_damaged_one_is_kept(
    file: Path, lose: Callable[[Path], None], said: str
) -> None:
    lose(file)
    await _open(file, new=True)
    await _open(file)
    assert len(list(file.parent.glob("master.db.damaged-*"))) == (1 if "damaged" in said else 0)


async def test_without_traces_it_is_a_new_one(file: Path) -> None:
    gone(file)
    await _open(file, traces=[])


async def test_new_is_told_to_be_left_out_when_nothing_is_lost(file: Path) -> None:
    with capture_logs() as said:
        await _open(file, new=True)
    assert [one["event"] for one in said] == ["master.is_not_new"]
