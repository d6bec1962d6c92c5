"""The ledger's file over time: what is forgotten gives its space back, and the file stays as large as what is kept."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from fleetfold_child.ledger.admission import Plan
from fleetfold_child.ledger.ledger import Ledger, check_retention
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CommandResult
from fleetfold_storage.vacuum import SPARE_PAGES
from support.effort import effort
from support.executors import command

DAY_S = 86_400.0
PAGE = 4096
MUCH = "x" * 3000


async def fill(ledger: Ledger, start: int, count: int) -> None:
    """So many commands that have ended and are known to the master, of some 3 kB each."""
    names = [f"c{number}" for number in range(start, start + count)]
    await asyncio.gather(*(_one(ledger, name) for name in names))
    await ledger.published(*names)
    await ledger.confirm(*names)


async def _one(ledger: Ledger, name: str) -> None:
    await ledger.admit(command(name, "x"), Plan())
    await ledger.finish(CommandResult(id=name, attempt=1, epoch=0, outcome="ok", result=MUCH, starts=1))


def size(place: Path) -> int:
    """Of the file and what belongs to it."""
    return sum(file.stat().st_size for file in place.glob("node.db*"))


@pytest.mark.dear
async def test_the_file_stays_bounded_over_days_of_work(tmp_path: Path) -> None:
    clock = ManualClock()
    ledger = await Ledger.open(tmp_path / "node.db", clock=clock)
    sizes = []
    for day in range(2 + effort(1)):
        await fill(ledger, day * 2000, 2000)
        clock.advance(DAY_S)
        await ledger.prune(DAY_S / 2)
        await ledger.vacuum()
        sizes.append(size(tmp_path))
    await ledger.close()
    assert (tmp_path / "node.db").stat().st_size <= (SPARE_PAGES + 600) * PAGE
    assert max(sizes) <= 1.1 * sizes[0]


@pytest.mark.dear
async def test_others_write_between_the_steps(tmp_path: Path) -> None:
    clock = ManualClock()
    ledger = await Ledger.open(tmp_path / "node.db", clock=clock)
    await fill(ledger, 0, 2500)
    before = (tmp_path / "node.db").stat().st_size
    clock.advance(DAY_S)
    assert await ledger.prune(0) == 2500
    tidying = asyncio.create_task(ledger.vacuum())
    await ledger.database.execute("CREATE TABLE t (x)")
    assert not tidying.done()
    await tidying
    await ledger.close()
    assert (tmp_path / "node.db").stat().st_size < before


async def test_an_older_file_gives_its_space_back_too(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE theirs (x)")
        old.execute("INSERT INTO theirs VALUES (1)")
        old.commit()
        assert old.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    ledger = await Ledger.open(path)
    assert await ledger.database.execute("SELECT x FROM theirs") == [{"x": 1}]
    await ledger.close()
    with contextlib.closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA auto_vacuum").fetchone() == (2,)


async def test_what_nobody_has_confirmed_is_never_forgotten(tmp_path: Path) -> None:
    clock = ManualClock()
    ledger = await Ledger.open(tmp_path / "node.db", clock=clock)
    await _one(ledger, "kept")
    await _one(ledger, "published")
    await ledger.published("published")
    clock.advance(365 * DAY_S)
    assert await ledger.prune(DAY_S) == 0
    assert [result.id for result in await ledger.unpublished()] == ["kept"]
    assert await ledger.unconfirmed() == ["published"]
    await ledger.close()


@pytest.mark.parametrize("days", [0, 0.5, float("nan"), 4000])
def test_a_ledger_that_forgets_too_soon_is_refused(days: float) -> None:
    with pytest.raises(InvalidInput, match="ledger_days: from 1 to 3650 days"):
        check_retention(days)
