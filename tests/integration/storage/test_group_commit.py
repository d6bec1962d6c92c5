"""Group commit over a real SQLite file: shared commits, isolated failures, leases, no hangs."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleetfold_storage.group_commit import GroupCommit, Lease

Writer = GroupCommit[sqlite3.Connection]


class Counting(sqlite3.Connection):
    """Counts its commits, and fails the next one if told to."""

    commits = 0
    failing = False

    def commit(self) -> None:
        if self.failing:
            self.failing = False
            raise sqlite3.OperationalError("database or disk is full")
        super().commit()
        self.commits += 1


def insert(number: int) -> Callable[[sqlite3.Connection], int]:
    def run(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO number VALUES (?)", (number,))
        return number

    return run


async def numbers(writer: Writer) -> list[int]:
    return await writer.run(lambda c: [n for (n,) in c.execute("SELECT n FROM number ORDER BY n")])


@asynccontextmanager
async def transaction(writer: Writer) -> AsyncIterator[Lease[sqlite3.Connection]]:
    """A lease that ends in every case."""
    lease = await writer.lease()
    try:
        yield lease
        if lease.open:
            await lease.commit()
    finally:
        lease.roll_back()


def commits(connection: sqlite3.Connection) -> int:
    assert isinstance(connection, Counting)
    return connection.commits


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    writer: Writer = GroupCommit(
        lambda: sqlite3.connect(tmp_path / "db", isolation_level=None, factory=Counting),
        begin=lambda connection: connection.execute("BEGIN IMMEDIATE"),
    )
    await writer.run(lambda connection: connection.execute("CREATE TABLE number (n INTEGER PRIMARY KEY)"))
    yield writer
    await writer.close()


async def test_operations_submitted_together_share_a_commit(writer: Writer) -> None:
    before = await writer.run(commits)
    assert await asyncio.gather(*(writer.run(insert(n)) for n in range(100))) == list(range(100))
    assert await writer.run(commits) == before + 2  # the hundred, and the question before


async def test_a_failing_operation_fails_alone(writer: Writer) -> None:
    await writer.run(insert(5))
    outcomes = await asyncio.gather(*(writer.run(insert(n)) for n in [*range(10), 3]), return_exceptions=True)
    failed = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, sqlite3.IntegrityError)]
    assert failed == [5, 10]
    assert await numbers(writer) == list(range(10))


async def test_a_commit_that_fails_reaches_every_caller_and_the_next_one_works(writer: Writer) -> None:
    fill_the_disk = writer.run(lambda connection: setattr(connection, "failing", True))
    outcomes = await asyncio.gather(fill_the_disk, writer.run(insert(1)), writer.run(insert(2)), return_exceptions=True)
    assert all(isinstance(outcome, sqlite3.OperationalError) for outcome in outcomes)
    await writer.run(insert(7))
    assert await numbers(writer) == [7]


async def test_a_database_that_cannot_be_opened_is_an_error_for_all_and_no_hang(tmp_path: Path) -> None:
    writer: Writer = GroupCommit(lambda: sqlite3.connect(tmp_path / "no" / "db"))
    outcomes = await asyncio.gather(*(writer.run(insert(n)) for n in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, sqlite3.OperationalError) for outcome in outcomes)
    await writer.close()


async def test_a_lease_is_one_transaction_over_several_awaits(writer: Writer) -> None:
    async with transaction(writer) as lease:
        await lease.run(insert(1))
        other = asyncio.create_task(numbers(writer), context=contextvars.Context())
        await asyncio.sleep(0)
        await lease.run(insert(2))
        assert not other.done()
    assert await other == [1, 2]


async def test_a_lease_left_by_an_exception_leaves_nothing(writer: Writer) -> None:
    async def leave() -> None:
        async with transaction(writer) as lease:
            await lease.run(insert(1))
            raise KeyError

    with pytest.raises(KeyError):
        await leave()
    assert await numbers(writer) == []


async def test_a_lease_that_is_cancelled_anywhere_is_rolled_back_and_released(writer: Writer) -> None:
    async def hold() -> None:
        async with transaction(writer) as lease:
            await lease.run(insert(1))
            await asyncio.Event().wait()

    for turns in range(12):
        task = asyncio.create_task(hold())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await numbers(writer) == []


async def test_waiting_for_oneself_is_an_error_and_no_deadlock(writer: Writer) -> None:
    async with transaction(writer) as lease:
        with pytest.raises(RuntimeError, match="wait for itself"):
            await writer.run(insert(1))
        with pytest.raises(RuntimeError, match="wait for itself"):
            await writer.lease()
        with pytest.raises(RuntimeError, match="wait for itself"):
            await writer.close()
        await lease.run(insert(2))
    with pytest.raises(RuntimeError, match="has ended"):
        await lease.run(insert(3))
    assert await numbers(writer) == [2]


async def test_leases_and_batches_take_turns(writer: Writer) -> None:
    done: list[str] = []

    async def lease(n: int) -> None:
        async with transaction(writer) as lease:
            await lease.run(insert(n))
        done.append("lease")

    async def batches() -> None:
        for n in range(100, 105):
            await writer.run(insert(n))
            done.append("batch")

    await asyncio.gather(batches(), *(lease(n) for n in range(40)))
    assert done.index("lease") < 6
    assert len(done) - 1 - done[::-1].index("batch") < 35  # the batches did not wait for all the leases


@pytest.mark.parametrize("turns", range(4))
async def test_who_writes_surely_learns_what_became_of_it_and_is_cancelled_after(writer: Writer, turns: int) -> None:
    known: list[int] = []

    async def write_and_go_on() -> None:
        known.append(await writer.run_uncancelled(insert(1)))
        known.append(await writer.run_uncancelled(insert(2)))
        await asyncio.sleep(0)
        known.append(3)

    writing = asyncio.create_task(write_and_go_on())
    for _ in range(turns):
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert writing.cancelled()
    assert known == await numbers(writer) == ([1, 2] if turns else [])


async def test_who_is_cancelled_learns_that_his_write_has_failed(writer: Writer) -> None:
    await writer.run(insert(1))
    writing = asyncio.create_task(writer.run_uncancelled(insert(1)))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(sqlite3.IntegrityError):
        await writing


async def test_a_cancelled_caller_disturbs_nobody(writer: Writer) -> None:
    cancelled, kept = asyncio.create_task(writer.run(insert(1))), asyncio.create_task(writer.run(insert(2)))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await kept == 2
    assert await numbers(writer) in ([2], [1, 2])


async def test_close_finishes_what_was_submitted_and_then_refuses(tmp_path: Path) -> None:
    path = tmp_path / "db"
    writer: Writer = GroupCommit(lambda: sqlite3.connect(path))
    await writer.run(lambda connection: connection.execute("CREATE TABLE number (n INTEGER PRIMARY KEY)"))
    submitted = [asyncio.create_task(writer.run(insert(n))) for n in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(writer.close(), writer.close())
    assert await asyncio.gather(*submitted) == list(range(50))
    with pytest.raises(RuntimeError, match="closed"):
        await writer.run(insert(1))
