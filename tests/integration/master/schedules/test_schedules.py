"""Schedules over a real database: each firing once, whatever dies, however many masters there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Executable, RowMapping

from fleetfold_master.jobs import Jobs
from fleetfold_master.schedules import Schedules
from fleetfold_master.schedules.model import Work
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict, Forbidden, InvalidInput, NotFound, TooLarge, Unavailable
from fleetfold_shared.messages import CommandResult, Run, ScheduleSpec
from support.master import Doctor, Outbox

NIGHT = datetime(2025, 6, 1, tzinfo=UTC).timestamp()
SPEC = ScheduleSpec(name="hourly", cron="0 * * * *", run={"action": "reindex", "nodes": ["shop"]})


class Killed(BaseException):
    """Nothing that comes after is done."""


class MasterRoom:
    """One master's schedules and jobs. `broken` is raised where a firing is started."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.outbox = store, Outbox()
        self.jobs = Jobs(store, self.outbox, clock, Doctor())
        self.schedules = Schedules(store, clock, self._start)
        self.broken: BaseException | None = None
        self.started: list[str] = []

    async def _start(self, work: Work, caller: str, schedule: str) -> None:
        if self.broken is not None:
            raise self.broken
        assert isinstance(work, Run)
        await self.jobs.start(work, work.nodes, caller)
        self.started.append(work.id)

    async def finish(self) -> None:
        """Whatever runs has ended well."""
        for node, command in self.outbox.take():
            ok = CommandResult(id=command.id, attempt=command.attempt, epoch=0, outcome="ok")
            await self.jobs.on_result(node, ok)


class House:
    """Masters over one database, with one clock."""

    def __init__(self, url: str) -> None:
        self.url, self.clock, self.rooms = url, ManualClock(NIGHT), list[MasterRoom]()

    async def master(self) -> MasterRoom:
        room = MasterRoom(await Store.open(self.url), self.clock)
        await room.jobs.recover()
        self.rooms.append(room)
        return room

    async def pass_time(self, seconds: float, *rooms: MasterRoom) -> None:
        self.clock.advance(seconds)
        await asyncio.gather(*(room.schedules.sweep() for room in rooms or self.rooms))

    async def close(self) -> None:
        for room in self.rooms:
            await room.schedules.close()
            await room.jobs.close()
            await room.store.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(f"sqlite:///{tmp_path}/master.db")
    yield house
    await house.close()


@pytest.fixture
async def master(house: House) -> MasterRoom:
    return await house.master()


def _ids(room: MasterRoom) -> list[str]:
    return [node_command[1].id for node_command in room.outbox.sent]


async def _states(room: MasterRoom, name: str = "hourly") -> list[str]:
    """Oldest first."""
    return [one.state for one in (await room.schedules.get(name)).firings][::-1]


async def test_it_fires_at_each_planned_time_and_never_between(house: House, master: MasterRoom) -> None:
    view = await master.schedules.put(SPEC, "ann")
    assert (view.state, view.next_at, view.version) == ("waiting", NIGHT + 3600, 1)
    for seconds, count in ((3599, 0), (1, 1), (1, 1), (1, 1), (3598, 2)):
        await house.pass_time(seconds)
        await master.finish()
        assert len(master.started) == count
    assert master.started == [f"s-hourly-1-{int(NIGHT) + 3600 * n}" for n in (1, 2)]
    assert (await master.jobs.get(master.started[0])).caller == "ann"
    await house.pass_time(1)
    seen = await master.schedules.get("hourly")
    assert [(one.state, one.outcome) for one in seen.firings] == [("done", "ok")] * 2
    assert seen.last == seen.firings[0]


async def test_masters_that_sweep_at_once_fire_once(house: House) -> None:
    rooms = [await house.master() for _ in range(3)]
    await rooms[0].schedules.put(replace(SPEC, overlap="allow"), "ann")
    for _ in range(20):
        await house.pass_time(3600)
        for room in rooms:
            await room.finish()
    jobs = await rooms[0].jobs.list(1000)
    assert len(jobs) == 20
    sent = [command.id for room in rooms for _, command in room.outbox.sent]
    assert sent == []  # all answered
    firings = (await rooms[1].schedules.get("hourly", firings=100)).firings
    assert len({one.id for one in firings}) == len(firings) == 20


async def test_a_master_that_dies_between_deciding_and_starting_has_it_started_by_the_next(house: House) -> None:
    first = await house.master()
    await first.schedules.put(SPEC, "ann")
    first.broken = Killed()
    with pytest.raises(Killed):
        await house.pass_time(3600)
    assert await _states(first) == ["due"]
    second = await house.master()
    await house.pass_time(1, second)
    assert second.started == [f"s-hourly-1-{int(NIGHT) + 3600}"]
    assert await _states(second) == ["started"]


async def test_a_master_that_dies_right_after_starting_it_has_not_started_it_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await house.master()
    await first.schedules.put(SPEC, "ann")
    monkeypatch.setattr("fleetfold_master.schedules.rows.started", _die)
    with pytest.raises(Killed):
        await house.pass_time(3600)
    monkeypatch.undo()
    assert await _states(first) == ["due"]
    second = await house.master()
    await house.pass_time(1, second)
    assert (len(first.outbox.sent), second.outbox.sent) == (1, [])
    assert await _states(second) == ["started"]
    assert len(await second.jobs.list()) == 1


def _die(_key: str) -> None:
    raise Killed


async def test_started_and_then_forbidden_is_still_started(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had begun when its master died; that its caller may no more now makes it no less so."""
    first = await house.master()
    await first.schedules.put(SPEC, "ann")
    monkeypatch.setattr("fleetfold_master.schedules.rows.started", _die)
    with pytest.raises(Killed):
        await house.pass_time(3600)
    monkeypatch.undo()
    first.broken = Forbidden("not any more")
    await house.pass_time(1)
    assert await _states(first) == ["started"]


async def test_a_refused_firing_says_why_and_the_next_is_tried_again(house: House, master: MasterRoom) -> None:
    await master.schedules.put(SPEC, "ann")
    master.broken = Forbidden("'ann' is no identity of this fleet")
    await house.pass_time(3600)
    last = (await master.schedules.get("hourly")).last
    assert last is not None
    assert (last.state, last.why) == ("refused", "'ann' is no identity of this fleet")
    master.broken = None
    await house.pass_time(3600)
    assert await _states(master) == ["refused", "started"]


async def test_what_may_pass_is_tried_again_until_it_has(house: House, master: MasterRoom) -> None:
    await master.schedules.put(SPEC, "ann")
    master.broken = Unavailable("no broker")
    await house.pass_time(3600)
    assert await _states(master) == ["due"]
    master.broken = None
    await house.pass_time(1)
    assert await _states(master) == ["started"]


@pytest.mark.parametrize(
    ("misfire", "overlap", "expected"),
    [
        ("one", "skip", ["skipped", "started"]),
        ("skip", "skip", ["skipped"]),
        ("all", "allow", ["started"] * 5),
        ("all", "skip", ["started"] + ["queued"] * 4),
    ],
)
async def test_what_was_missed_is_made_up_for_by_its_policy(
    house: House, master: MasterRoom, misfire: str, overlap: str, expected: list[str]
) -> None:
    await master.schedules.put(replace(SPEC, misfire=misfire, overlap=overlap), "ann")
    await house.pass_time(5 * 3600 + 600)
    assert await _states(master) == expected
    assert (await master.schedules.get("hourly")).next_at == NIGHT + 6 * 3600


@pytest.mark.parametrize("misfire", ["one", "skip"])
async def test_a_sweep_that_comes_a_little_late_misses_nothing(house: House, master: MasterRoom, misfire: str) -> None:
    spec = ScheduleSpec(name="hourly", every_s=1, overlap="allow", misfire=misfire, run=SPEC.run)  # type: ignore[arg-type]
    await master.schedules.put(spec, "ann")
    await house.pass_time(3)
    assert await _states(master) == ["started"] * 3
    await house.pass_time(20)
    assert (await _states(master))[3:] == ["skipped", *["started"] * 6]


async def test_a_minute_late_is_not_missed(house: House, master: MasterRoom) -> None:
    await master.schedules.put(replace(SPEC, misfire="skip"), "ann")
    await house.pass_time(3660)
    assert await _states(master) == ["started"]


async def test_those_that_are_made_up_for_run_one_after_another(house: House, master: MasterRoom) -> None:
    await master.schedules.put(replace(SPEC, misfire="all"), "ann")
    await house.pass_time(3 * 3600)
    for done in (1, 2, 3):
        assert len(master.started) == done
        await house.pass_time(1)
        assert len(master.started) == done
        await master.finish()
        await house.pass_time(1)
    assert master.started == sorted(master.started)
    assert await _states(master) == ["done"] * 3


async def test_far_too_many_missed_are_not_all_made_up_for(house: House, master: MasterRoom) -> None:
    await master.schedules.put(replace(SPEC, misfire="all", overlap="allow", keep=1000), "ann")
    await house.pass_time(1000 * 3600)
    assert len(master.started) == 100
    firings = (await master.schedules.get("hourly", firings=1000)).firings
    assert [one.state for one in firings if one.state != "started"] == ["skipped"]
    assert "more than are caught up with" in firings[-1].why


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", ["started", "skipped", "skipped"]),
        ("queue", ["started", "queued", "skipped"]),
        ("allow", ["started", "started", "started"]),
    ],
)
async def test_the_next_one_while_the_last_goes_on_follows_the_policy(
    house: House, master: MasterRoom, overlap: str, expected: list[str]
) -> None:
    await master.schedules.put(
        replace(SPEC, overlap=overlap, run={"action": "x", "nodes": ["shop"], "timeout_s": 86_400.0}), "ann"
    )
    for _ in range(3):
        await house.pass_time(3600)
    assert await _states(master) == expected
    await master.finish()
    await house.pass_time(1)
    assert len(master.started) == {"skip": 1, "queue": 2, "allow": 3}[overlap]


async def test_masters_that_sweep_at_once_begin_one_that_is_queued_once_and_alone(house: House) -> None:
    rooms = [await house.master() for _ in range(2)]
    await rooms[0].schedules.put(replace(SPEC, misfire="all"), "ann")
    await house.pass_time(4 * 3600)
    for _ in range(8):
        states = await _states(rooms[0])
        assert states.count("started") + states.count("due") <= 1
        for room in rooms:
            await room.finish()
        await house.pass_time(1)
    assert await _states(rooms[0]) == ["done"] * 4


async def test_a_clock_that_was_ahead_and_went_back_neither_fires_twice_nor_falls_silent(
    house: House, master: MasterRoom
) -> None:
    await master.schedules.put(replace(SPEC, overlap="allow"), "ann")
    await house.pass_time(3600)
    await house.pass_time(400 * 86_400)
    assert len(master.started) == 2
    house.clock._now = NIGHT + 3600 + 60
    await house.pass_time(1)
    assert (await master.schedules.get("hourly")).next_at == NIGHT + 7200
    await house.pass_time(3600)
    assert master.started[-1] == f"s-hourly-1-{int(NIGHT) + 7200}"
    house.clock._now = NIGHT + 7190
    for _ in range(3):
        await house.pass_time(10)
    assert len(master.started) == len(set(master.started)) == 3


async def test_after_a_restart_a_clock_that_has_gone_back_is_noticed_too(house: House, master: MasterRoom) -> None:
    await master.schedules.put(SPEC, "ann")
    await house.pass_time(400 * 86_400)
    house.clock._now = NIGHT + 60
    another = await house.master()
    await house.pass_time(1, another)
    assert (await another.schedules.get("hourly")).next_at == NIGHT + 3600


async def test_paused_nothing_is_fired_and_nothing_caught_up_with(house: House, master: MasterRoom) -> None:
    await master.schedules.put(replace(SPEC, misfire="all"), "ann")
    assert (await master.schedules.pause("hourly")).state == "paused"
    await house.pass_time(10 * 3600)
    view = await master.schedules.resume("hourly")
    assert (view.state, view.next_at, view.firings) == ("waiting", NIGHT + 11 * 3600, [])
    await house.pass_time(3600)
    assert len(master.started) == 1


async def test_what_is_queued_when_it_is_paused_is_skipped(house: House, master: MasterRoom) -> None:
    await master.schedules.put(replace(SPEC, misfire="all"), "ann")
    await house.pass_time(2 * 3600)
    await master.schedules.pause("hourly")
    await master.finish()
    await house.pass_time(1)
    assert await _states(master) == ["done", "skipped"]


async def test_removed_and_put_again_it_is_another_with_ids_of_its_own(house: House, master: MasterRoom) -> None:
    await master.schedules.put(SPEC, "ann")
    await house.pass_time(3600)
    await master.schedules.remove("hourly")
    with pytest.raises(NotFound, match="hourly"):
        await master.schedules.get("hourly")
    await house.pass_time(3600)
    view = await master.schedules.put(replace(SPEC, run={"action": "other", "nodes": ["shop"]}), "bob")
    assert (view.version, view.caller, view.last) == (2, "bob", None)
    await house.pass_time(3600)
    assert master.started[-1].startswith("s-hourly-2-")


async def test_the_same_put_again_changes_nothing(house: House, master: MasterRoom) -> None:
    spec = ScheduleSpec(name="often", every_s=600, run={"action": "x", "nodes": ["shop"]})
    first = await master.schedules.put(spec, "ann")
    house.clock.advance(300)
    assert await master.schedules.put(spec, "ann") == first
    changed = await master.schedules.put(replace(spec, keep=5), "ann")
    assert (changed.version, changed.next_at) == (2, first.next_at)


async def test_fired_by_hand_once_for_each_asking_and_never_beside_another(house: House, master: MasterRoom) -> None:
    await master.schedules.put(SPEC, "ann")
    view = await master.schedules.fire("hourly", "a1", "bob")
    assert view.last is not None
    assert (view.last.state, view.last.by, view.next_at) == ("started", "bob", NIGHT + 3600)
    await master.schedules.fire("hourly", "a1", "bob")
    assert len(master.started) == 1
    with pytest.raises(Conflict, match="has not ended"):
        await master.schedules.fire("hourly", "a2", "bob")
    await master.finish()
    await house.pass_time(1)
    await master.schedules.fire("hourly", "a2", "bob")
    assert len(master.started) == 2
    assert (await master.jobs.get(master.started[0])).caller == "ann"


async def test_its_history_is_as_long_as_it_says(house: House, master: MasterRoom) -> None:
    await master.schedules.put(replace(SPEC, keep=3), "ann")
    for _ in range(8):
        await house.pass_time(3600)
        await master.finish()
        await house.pass_time(1)
    assert len(await _states(master)) == 3


async def test_after_its_last_time_it_has_ended(house: House, master: MasterRoom) -> None:
    await master.schedules.put(replace(SPEC, not_after=NIGHT + 7200), "ann")
    await house.pass_time(3600)
    await master.finish()
    await house.pass_time(3600)
    assert len(master.started) == 2
    view = await master.schedules.get("hourly")
    assert (view.state, view.next_at) == ("ended", None)


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"cron": "x"}, InvalidInput, "cron"),
        ({"timezone": "Mars/Olympus"}, InvalidInput, "timezone"),
        ({"run": None}, InvalidInput, "run"),
        ({"transact": {"steps": []}}, InvalidInput, "run"),
        ({"run": {"action": 5}}, InvalidInput, "action"),
        ({"run": {"action": "x", "id": "mine"}}, InvalidInput, "run.id"),
        ({"run": {"action": "x", "nodez": []}}, InvalidInput, "run.nodez"),
        ({"run": None, "transact": {"steps": []}}, InvalidInput, "steps"),
        ({"not_after": NIGHT - 1}, InvalidInput, "not_after"),
        ({"run": {"action": "x", "params": {"text": "x" * 200_000}}}, TooLarge, None),
    ],
)
async def test_what_cannot_be_is_refused_when_it_is_put(
    master: MasterRoom, changes: dict[str, object], error: type[Exception], field: str | None
) -> None:
    with pytest.raises(error) as refused:
        await master.schedules.put(replace(SPEC, **changes), "ann")
    assert getattr(refused.value, "field", None) == field
    assert await master.schedules.page("", 10) == []


@pytest.mark.dear
async def test_of_a_thousand_schedules_that_are_not_due_none_is_read(
    master: MasterRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(SPEC, cron="0 3 * * *")
    await asyncio.gather(*(master.schedules.put(replace(spec, name=f"s{n}"), "ann") for n in range(1000)))
    await master.schedules.sweep()
    read, original = list[object](), master.store.read

    async def noted(statement: Executable) -> Sequence[RowMapping]:
        read.extend(found := await original(statement))
        return found

    monkeypatch.setattr(master.store, "read", noted)
    for _ in range(20):
        await master.schedules.sweep()
    assert read == []
    assert len(await master.schedules.page("", 1000)) == 1000
