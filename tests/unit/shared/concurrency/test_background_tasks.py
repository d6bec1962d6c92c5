"""Background tasks: none is forgotten, none dies without a word, all end with their owner."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from fleetfold_shared.concurrency import BackgroundTasks, UncancelledTasks
from fleetfold_shared.errors import NotFound


async def test_an_error_in_the_background_is_logged() -> None:
    tasks = BackgroundTasks()

    async def fail(error: Exception) -> None:
        raise error

    with capture_logs() as logs:
        spawned = [tasks.spawn(fail(NotFound("no such node"))), tasks.spawn(fail(ValueError("a defect")))]
        await asyncio.gather(*spawned, return_exceptions=True)
        await asyncio.sleep(0)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("task.failed", "warning"),
        ("task.crashed", "error"),
    ]
    assert len(tasks) == 0


async def test_draining_lets_the_quick_finish_and_ends_the_slow() -> None:
    tasks, done = BackgroundTasks(), list[str]()

    async def quick() -> None:
        await asyncio.sleep(0)
        done.append("quick")

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.append("slow ended")

    tasks.spawn(slow())
    tasks.spawn(quick())
    await tasks.drain(0.05)
    assert done == ["quick", "slow ended"]
    assert len(tasks) == 0


@pytest.mark.timeout(10)
async def test_a_task_that_lets_a_cancellation_go_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_shared.concurrency.background_tasks.AGAIN_S", 0.01)
    tasks, told = BackgroundTasks(), list[int]()

    async def deaf() -> None:
        while len(told) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append(1)

    tasks.spawn(deaf())
    await asyncio.sleep(0)
    await tasks.cancel()
    assert (len(told), len(tasks)) == (3, 0)


@pytest.mark.timeout(10)
async def test_a_task_may_end_its_own_owner() -> None:
    tasks = BackgroundTasks()
    await tasks.spawn(tasks.cancel())
    assert len(tasks) == 0


async def test_work_that_must_not_be_cancelled_runs_to_its_end_without_its_caller() -> None:
    works, may_end, ended = UncancelledTasks(), asyncio.Event(), list[str]()

    async def work() -> None:
        await may_end.wait()
        ended.append("written")

    caller = asyncio.create_task(works.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    may_end.set()
    await works.close()
    assert ended == ["written"]


async def test_work_that_must_not_be_cancelled_gives_its_caller_the_error() -> None:
    async def fail() -> None:
        raise NotFound("no such node")

    with pytest.raises(NotFound):
        await UncancelledTasks().run(fail())
