"""The marks of masters in a ledger: kept with the commands, and returned to a master that asks what it was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from fleetfold_child.ledger import master_marks
from fleetfold_child.ledger.admission import Decision, Plan
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import Command, CommandResult, MasterMark


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(tmp_path / "node.db")
    yield opened
    await opened.close()


async def admit(ledger: Ledger, key: str, master: str, height: int, attempt: int = 1) -> None:
    mark = MasterMark(master, height, key, f"seal of {key}")
    await ledger.admit(Command(id=key, attempt=attempt, action="do", epoch=3, mark=mark), Plan())


async def test_the_highest_mark_of_each_master_is_told(ledger: Ledger) -> None:
    await admit(ledger, "j.j1.shop", "m1", 4)
    await admit(ledger, "j.j2.shop", "m1", 6)
    await ledger.hear(MasterMark("m1", 5, seal="s"))
    await ledger.hear(MasterMark("m2", 9, seal="s"))
    await ledger.hear(MasterMark("m2", 8, seal="older"))
    told = {mark.master: mark for mark in await ledger.master_marks()}
    assert told == {
        "m1": MasterMark("m1", 6, "j.j2.shop", "seal of j.j2.shop"), "m2": MasterMark("m2", 9, "", "s"),
    }  # fmt: skip


async def test_commands_since_a_mark_are_told_with_their_outcome(ledger: Ledger) -> None:
    await admit(ledger, "j.j1.shop", "m1", 4)
    await admit(ledger, "j.j2.shop", "m1", 6)
    await admit(ledger, "j.j3.shop", "m2", 0)
    await ledger.finish(CommandResult(id="j.j2.shop", attempt=1, epoch=3, outcome="ok"))
    commands, more = await ledger.recall([MasterMark("m1", 5), MasterMark("m2", 0)])
    assert [(one.id, one.outcome, one.epoch, one.mark.height) for one in commands] == [
        ("j.j2.shop", "ok", 3, 6), ("j.j3.shop", "", 3, 0),
    ]  # fmt: skip
    assert not more


async def test_a_command_keeps_the_mark_of_the_master_that_has_sent_it_first(ledger: Ledger) -> None:
    await admit(ledger, "j.j1.shop", "m1", 4)
    await admit(ledger, "j.j1.shop", "m1", 9, attempt=2)
    assert [mark.height for mark in await ledger.master_marks()] == [4]


async def test_many_commands_are_told_in_parts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_marks, "AT_ONCE", 2)
    for number in range(5):
        await admit(ledger, f"j.j{number}.shop", "m1", number)
    found, after, more = list[str](), "", True
    while more:
        commands, more = await ledger.recall([MasterMark("m1", 0)], after)
        found += [one.id for one in commands]
        after = found[-1]
    assert found == [f"j.j{number}.shop" for number in range(5)]


async def test_what_was_sent_before_a_restoration_is_not_admitted_any_more(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "node.db")
    await ledger.hear(MasterMark("m2", 0, restoration=5))
    before = Command(id="t.t1.a.c", attempt=1, action="undo", compensates="t.t1.a.f", mark=MasterMark("m1", 99))
    assert (await ledger.admit(before, Plan())).decision is Decision.FENCED
    await ledger.close()
    ledger = await Ledger.open(tmp_path / "node.db")
    assert (await ledger.admit(before, Plan())).decision is Decision.FENCED
    after = msgspec.structs.replace(before, mark=MasterMark("m2", 1, restoration=5))
    assert (await ledger.admit(after, Plan())).decision is Decision.SETTLED
    await ledger.close()
