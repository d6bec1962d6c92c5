from __future__ import annotations

import asyncio

import pytest

from fleetfold_child.index.changes import Change, Remove
from fleetfold_child.index.write_queue import MAX_BATCH, Results, Writer
from fleetfold_shared.errors import Unavailable


class Commits:
    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def __call__(self, changes: list[Change]) -> Results:
        self.batches.append([change.id for change in changes])
        if any(change.id == "poison" for change in changes):
            raise OSError("disk full")
        return [True for _ in changes]


async def test_writes_that_come_together_share_a_commit_in_their_order() -> None:
    commits = Commits()
    writer = Writer(commits)
    await asyncio.gather(*(writer.submit([Remove(str(i))]) for i in range(50)))
    await writer.close()
    assert commits.batches == [[str(i) for i in range(50)]]


async def test_a_commit_takes_no_more_than_its_share() -> None:
    commits = Commits()
    writer = Writer(commits)
    await asyncio.gather(*(writer.submit([Remove("x")] * 400) for _ in range(5)))
    await writer.close()
    assert [len(batch) for batch in commits.batches] == [800, 800, 400]
    assert MAX_BATCH == 1000


async def test_a_failed_commit_reaches_its_callers_and_the_writer_goes_on() -> None:
    writer = Writer(Commits())
    with pytest.raises(OSError, match="disk full"):
        await writer.submit([Remove("poison")])
    assert await writer.submit([Remove("a")]) == [True]
    await writer.close()


async def test_a_cancelled_caller_does_not_stop_the_writer() -> None:
    commits = Commits()
    writer = Writer(commits)
    task = asyncio.create_task(writer.submit([Remove("a")]))
    await asyncio.sleep(0)
    task.cancel()
    assert await writer.submit([Remove("b")]) == [True]
    await writer.close()
    assert commits.batches == [["a", "b"]]


async def test_closing_writes_what_is_queued_and_refuses_more() -> None:
    commits = Commits()
    writer = Writer(commits)
    queued = asyncio.create_task(writer.submit([Remove("a")]))
    await asyncio.sleep(0)
    await writer.close()
    assert await queued == [True]
    with pytest.raises(Unavailable):
        await writer.submit([Remove("b")])
