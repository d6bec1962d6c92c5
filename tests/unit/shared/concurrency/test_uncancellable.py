"""A result that must not be lost: it comes before the cancellation of whoever waits for it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from fleetfold_shared.concurrency import UncancellableFuture, await_cancellable, await_uncancelled


async def test_the_result_comes_first_and_the_cancellation_at_the_next_await() -> None:
    future: UncancellableFuture[int] = UncancellableFuture()
    received = list[int]()

    async def wait() -> None:
        received.append(await await_uncancelled(future))
        await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert (future.cancelled(), task.done()) == (False, False)
    future.set_result(7)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert received == [7]


async def test_a_cancellation_that_wait_for_loses_is_raised() -> None:
    """As Python 3.11 does when the result and the cancellation come in one turn."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def library() -> str:
        try:
            return await ready
        except asyncio.CancelledError:
            return "the cancellation is lost"

    task = asyncio.create_task(await_cancellable(library()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_without_a_cancellation_the_result_is_returned() -> None:
    async def library() -> str:
        return "done"

    assert await await_cancellable(library()) == "done"


async def test_a_time_limit_still_ends_what_loses_its_cancellation() -> None:
    async def library() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await await_cancellable(library())
