"""The mark of a ledger: what raises its height, and what a copy has of it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from fleetfold_child.ledger.admission import Plan
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import CommandResult
from support.executors import command


async def test_what_is_admitted_and_what_ends_raises_the_height(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "node.db")
    assert (await ledger.mark()).height == 0
    await ledger.admit(command("a", "x"), Plan())
    assert (await ledger.mark()).height == 1
    await ledger.admit(command("a", "x"), Plan())
    await ledger.release("a")
    await ledger.admit(command("a", "x"), Plan())
    assert (await ledger.mark()).height == 1
    await ledger.finish(CommandResult(id="a", attempt=1, epoch=0, outcome="ok"))
    assert (await ledger.mark()).height == 2
    await ledger.admit(command("b", "x"), Plan(rejected="no"))
    assert (await ledger.mark()).height == 3
    await ledger.close()


async def test_forgetting_does_not_lower_the_height(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "node.db")
    await ledger.admit(command("a", "x"), Plan())
    await ledger.finish(CommandResult(id="a", attempt=1, epoch=0, outcome="ok"))
    before = await ledger.mark()
    await ledger.confirm("a")
    assert await ledger.prune(-60) == 1
    assert await ledger.mark() == before
    await ledger.close()


async def test_a_ledger_keeps_its_generation_and_another_file_has_another(tmp_path: Path) -> None:
    marks = []
    for name in ("node.db", "node.db", "other.db"):
        ledger = await Ledger.open(tmp_path / name)
        marks.append(await ledger.mark())
        await ledger.close()
    assert marks[0] == marks[1]
    assert marks[0].generation != marks[2].generation


async def test_a_file_of_an_earlier_version_gets_a_mark_and_keeps_its_rows(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "node.db")
    await ledger.admit(command("a", "x"), Plan())
    await ledger.finish(CommandResult(id="a", attempt=1, epoch=0, outcome="ok"))
    await ledger.published("a")
    await ledger.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "node.db")) as old:
        for name in ("unconfirmed", "confirmed"):
            old.execute(f"DROP INDEX fleetfold_command_{name}")
        for name in ("admitted", "ended"):
            old.execute(f"DROP TRIGGER fleetfold_{name}")
        old.execute("DROP TABLE fleetfold_ledger")
        old.execute("ALTER TABLE fleetfold_command DROP COLUMN confirmed")
        old.commit()
    ledger = await Ledger.open(tmp_path / "node.db")
    assert (await ledger.mark()).height == 0
    assert await ledger.unconfirmed() == ["a"]
    await ledger.close()
