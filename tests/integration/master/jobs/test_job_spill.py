"""Jobs for a node that is away, more than fit into memory: they wait on the disk, and nothing of them is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_master.jobs import job_reads
from fleetfold_master.store import Store
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Command, Run
from support.job_bench import JobBench, open_room, outcomes

MOST, ALL = 3, 12


@pytest.fixture
async def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[JobBench]:
    for module in ("job_engine", "loading"):
        monkeypatch.setattr(f"fleetfold_master.jobs.{module}.MOST_IN_MEMORY", MOST)
    async with open_room(f"sqlite:///{tmp_path}/master.db") as room:
        yield room


async def _many(room: JobBench) -> list[tuple[str, Command]]:
    """Jobs for a node that is ill, and time enough that they would have been sent again."""
    room.doctor.ill.add("a")
    for number in range(ALL):
        await room.jobs.start(Run(id=f"j{number}", action="x", timeout_s=600.0), ["a"], "ann")
    sent = room.outbox.take()
    for _ in range(4):
        await room.pass_time(5)
    return sent


def _in_memory(room: JobBench) -> int:
    return len(room.jobs._engine.running)


async def _states(room: JobBench) -> set[str]:
    return {(await room.jobs.get(f"j{number}")).state for number in range(ALL)}


async def test_only_so_many_stay_in_memory_and_none_is_sent_again(room: JobBench) -> None:
    await _many(room)
    assert (_in_memory(room), room.sent(), await _states(room)) == (MOST, [], {"running"})


async def test_an_answer_finds_its_job_on_the_disk(room: JobBench) -> None:
    sent = await _many(room)
    await room.reply(*sent)
    assert (await _states(room), _in_memory(room)) == ({"ok"}, 0)


async def test_a_node_that_is_back_has_them_in_memory_again_and_is_not_sent_what_its_queue_holds(
    room: JobBench,
) -> None:
    sent = await _many(room)
    room.doctor.ill.clear()
    await room.pass_time(1)
    assert (_in_memory(room), room.sent()) == (ALL, [])
    await room.reply(*sent)
    assert await _states(room) == {"ok"}


async def test_answers_that_come_at_once_are_looked_up_together(
    room: JobBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, looked_up = await _many(room), list[str]()
    read_owner = job_reads.read_owner

    async def counted(store: Store, key: str) -> str | None:
        looked_up.append(key)
        return await read_owner(store, key)

    monkeypatch.setattr(job_reads, "read_owner", counted)
    await asyncio.gather(*(room.reply(each) for each in sent))
    assert await _states(room) == {"ok"}
    assert len(looked_up) == 1


async def test_their_time_is_over_on_the_disk_too(room: JobBench) -> None:
    await _many(room)
    await room.pass_time(600)
    assert outcomes(await room.jobs.get("j7")) == ["unreachable"]
    assert (await _states(room), _in_memory(room)) == ({"failed"}, 0)


async def test_a_database_that_is_away_for_a_moment_costs_none_of_them(
    room: JobBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await _many(room)
    room.doctor.ill.clear()
    with monkeypatch.context() as broken:
        broken.setattr(job_reads, "load_running", _away)
        with pytest.raises(Unavailable):
            await room.pass_time(1)
    await room.pass_time(1)
    assert _in_memory(room) == ALL
    await room.reply(*sent)
    assert await _states(room) == {"ok"}


async def _away(*_: object) -> None:
    raise Unavailable("database: away")


async def test_one_that_is_away_can_be_cancelled(room: JobBench) -> None:
    await _many(room)
    job = await room.jobs.cancel(f"j{ALL - 1}", "ann")
    assert job.cancelled_by == "ann"


async def test_after_a_death_of_the_master_the_rest_stays_on_the_disk_until_the_node_is_back(room: JobBench) -> None:
    sent = await _many(room)
    await room.die_and_return()
    assert _in_memory(room) == MOST
    room.doctor.ill.clear()
    await room.pass_time(1)
    assert _in_memory(room) == ALL
    await room.reply(*sent)
    assert await _states(room) == {"ok"}


async def test_a_broker_that_lost_its_store_is_given_all_of_them_again(room: JobBench) -> None:
    await _many(room)
    await room.jobs.resend_all()
    assert len(room.sent()) == ALL
    assert await _states(room) == {"running"}
