"""A node's own checks: what they find, how often they run, and that each change is told once."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_child.node import health as module
from fleetfold_child.node.health import Health
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Problem


class Part:
    """A part of a node that works, unless there is a `reason` why it does not."""

    def __init__(self) -> None:
        self.reason = ""
        self.hangs = False
        self.checked: list[bool] = []
        self.was_checked = asyncio.Event()

    async def __call__(self, thorough: bool) -> None:
        self.checked.append(thorough)
        self.was_checked.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.reason:
            raise Unavailable(self.reason)


class Room:
    """The health of a node with an index and a ledger; `told` has the problems at each change."""

    def __init__(self) -> None:
        self.index, self.ledger = Part(), Part()
        self.told: list[list[Problem]] = []
        self.health = Health({"index": [self.index], "ledger": [self.ledger]}, self._changed)

    def _changed(self) -> None:
        self.told.append(self.health.problems)


@pytest.fixture
async def room() -> Room:
    return Room()


async def test_a_part_that_fails_is_a_problem_until_it_works_again(room: Room) -> None:
    room.ledger.reason = "ledger: node.db is missing"
    await room.health.look()
    await room.health.look()
    room.ledger.reason = ""
    await room.health.look()
    assert room.told == [[Problem("ledger", "ledger: node.db is missing")], []]


async def test_work_that_needs_a_part_is_refused_with_the_reason_while_it_fails(room: Room) -> None:
    room.ledger.reason = "ledger: node.db is missing"
    room.health.need("ledger")
    await room.health.look()
    room.health.need("index")
    with pytest.raises(Unavailable, match=r"node\.db is missing"):
        room.health.need("ledger")


async def test_another_reason_is_a_change(room: Room) -> None:
    room.index.reason = "collection a: files are missing"
    await room.health.look()
    room.index.reason = "collection b: files are missing"
    await room.health.look()
    assert [problems[0].reason[:12] for problems in room.told] == ["collection a", "collection b"]


async def test_a_long_reason_fits_into_a_heartbeat(room: Room) -> None:
    room.index.reason = "x" * 5000
    await room.health.look()
    assert len(room.health.problems[0].reason) == 300


async def test_a_check_that_hangs_is_a_problem(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.01)
    room.ledger.hangs = True
    await room.health.look()
    assert [problem.part for problem in room.health.problems] == ["ledger"]


async def test_a_part_is_checked_thoroughly_after_a_failed_operation_and_until_it_works(room: Room) -> None:
    await room.health.look()
    room.health.suspect("index")
    room.index.reason = "it cannot be read"
    await room.health.look()
    room.index.reason = ""
    await room.health.look()
    await room.health.look()
    assert room.index.checked == [False, True, True, False]
    assert room.ledger.checked == [False] * 4


async def test_a_failed_operation_has_the_part_checked_at_once(room: Room) -> None:
    watching = asyncio.create_task(room.health.watch(lambda: 1e6))
    room.health.suspect("ledger")
    async with asyncio.timeout(20):
        await room.ledger.was_checked.wait()
    watching.cancel()
    assert room.ledger.checked == [True]


async def test_the_checks_go_by_the_heartbeat(room: Room) -> None:
    watching = asyncio.create_task(room.health.watch(lambda: 0.001))
    async with asyncio.timeout(20):
        await room.index.was_checked.wait()
    watching.cancel()
