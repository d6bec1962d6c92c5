"""After a suspension no command begins before a master has confirmed that this process still has the node's name."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_child.commands.name_confirmation import SUSPENDED_S, TICK_S, NameConfirmation
from fleetfold_shared.errors import Unavailable
from support.wait import eventually

REPLACED = Unavailable("another process has taken the name 'shop'")


class _Process:
    """A process whose clock is moved by hand, and a master that it asks. `steps` are what was done, in order."""

    def __init__(self) -> None:
        self.now, self.steps = 0.0, list[str]()
        self.answer: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.name = NameConfirmation(self._ask, lambda: self.now)

    async def command(self) -> None:
        await self.name.need()
        self.steps.append("run")

    async def _ask(self) -> None:
        self.steps.append("ask")
        await self.may_answer.wait()
        if self.answer is not None:
            raise self.answer


@pytest.fixture
async def process() -> _Process:
    """One that has ticked once."""
    found = _Process()
    await found.command()
    found.steps.clear()
    return found


async def test_a_process_that_was_never_suspended_asks_nobody(process: _Process) -> None:
    process.now += TICK_S
    await process.command()
    assert process.steps == ["run"]


async def test_after_a_suspension_the_commands_wait_for_one_confirmation(process: _Process) -> None:
    process.may_answer.clear()
    process.now += SUSPENDED_S + TICK_S
    waiting = [asyncio.create_task(process.command()) for _ in range(3)]
    await eventually(lambda: "ask" in process.steps)
    process.may_answer.set()
    await asyncio.gather(*waiting)
    assert process.steps == ["ask", "run", "run", "run"]


async def test_a_replaced_process_begins_none_of_its_commands(process: _Process) -> None:
    process.answer = REPLACED
    process.now += SUSPENDED_S + TICK_S
    for _ in range(2):
        with pytest.raises(Unavailable, match="another process has taken the name"):
            await process.command()
    assert "run" not in process.steps


async def test_a_suspension_during_the_confirmation_is_confirmed_too(process: _Process) -> None:
    process.may_answer.clear()
    process.now += SUSPENDED_S + TICK_S
    first = asyncio.create_task(process.command())
    await eventually(lambda: "ask" in process.steps)
    process.now += SUSPENDED_S + TICK_S
    second = asyncio.create_task(process.command())
    await asyncio.sleep(0)
    process.may_answer.set()
    await asyncio.gather(first, second)
    assert process.steps.count("ask") == 2
    assert process.steps.index("run") > 1


async def test_the_name_is_confirmed_also_when_no_command_comes(process: _Process) -> None:
    process.now += SUSPENDED_S + TICK_S
    watching = asyncio.create_task(process.name.watch())
    await eventually(lambda: "ask" in process.steps)
    watching.cancel()
    assert process.steps == ["ask"]
