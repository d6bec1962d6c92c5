"""A result that must not be lost: it comes before the cancellation of whoever waits for it."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_shared.concurrency import UncancellableFuture, await_uncancelled


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
