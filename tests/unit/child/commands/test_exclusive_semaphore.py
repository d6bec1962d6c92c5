"""The gate: so many together, or one alone, in order of arrival."""

from __future__ import annotations

import asyncio

from fleetfold_child.commands.exclusive_semaphore import ExclusiveSemaphore


class Visitor:
    """Enters, and leaves when told."""

    def __init__(self, gate: ExclusiveSemaphore, *, alone: bool = False) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(gate, alone))

    async def _visit(self, gate: ExclusiveSemaphore, alone: bool) -> None:
        async with gate.enter(alone=alone):
            self.inside = True
            await self.leave.wait()
        self.inside = False


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def finish(*visitors: Visitor) -> None:
    for visitor in visitors:
        visitor.leave.set()
    await asyncio.gather(*(visitor.task for visitor in visitors))


async def test_no_more_than_there_is_room_for() -> None:
    gate = ExclusiveSemaphore(2)
    visitors = [Visitor(gate) for _ in range(3)]
    await settle()
    assert [visitor.inside for visitor in visitors] == [True, True, False]
    await finish(visitors[0])
    await settle()
    assert visitors[2].inside
    await finish(*visitors[1:])


async def test_one_alone_waits_for_the_others_and_is_not_overtaken() -> None:
    gate = ExclusiveSemaphore(2)
    first, alone, late = Visitor(gate), Visitor(gate, alone=True), Visitor(gate)
    await settle()
    assert (first.inside, alone.inside, late.inside) == (True, False, False)
    await finish(first)
    await settle()
    assert (alone.inside, late.inside) == (True, False)
    await finish(alone)
    await settle()
    assert late.inside
    await finish(late)


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    gate = ExclusiveSemaphore(1)
    first, second, third = Visitor(gate), Visitor(gate, alone=True), Visitor(gate)
    await settle()
    second.task.cancel()
    await finish(first)
    await settle()
    assert third.inside
    third.task.cancel()
    fourth = Visitor(gate)
    await settle()
    assert fourth.inside
    await finish(fourth)


async def test_one_who_gives_up_leaves_the_line_and_takes_no_room() -> None:
    gate = ExclusiveSemaphore(1)
    first = Visitor(gate)
    permit = gate.enter()
    said: list[bool] = []

    async def wait() -> None:
        async with permit as inside:
            said.append(inside)

    waiting = asyncio.create_task(wait())
    await settle()
    permit.give_up()
    await waiting
    assert said == [False]
    last = Visitor(gate)
    await finish(first)
    await settle()
    assert last.inside
    await finish(last)


async def test_giving_up_is_too_late_inside_and_hides_no_real_cancellation() -> None:
    gate = ExclusiveSemaphore(1)
    permit = gate.enter()
    async with permit as inside:
        permit.give_up()
        assert inside
        queued = gate.enter()

        async def wait() -> None:
            async with queued:
                raise AssertionError

        waiting = asyncio.create_task(wait())
        await settle()
        queued.give_up()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    async with gate.enter() as inside:
        assert inside
