"""What has long ended goes, what somebody still needs stays, and the file does not grow for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from fleetfold_master.jobs import JobOptions, Jobs
from fleetfold_master.outbox import rows
from fleetfold_master.outbox.end_notifications import job_ended
from fleetfold_master.store import Store, Write
from fleetfold_master.store.retention import BATCH, Retention
from fleetfold_master.store.tables import metadata, tx
from fleetfold_master.transactions import Transactions
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import RetentionConfig
from fleetfold_shared.messages import Callback, Run, StepSpec, Transact
from support.master import Doctor, Outbox, answer, registry

DAY_S = 86_400


class Room:
    """A store with jobs and transactions in it, and its retention after 30 days and 10."""

    def __init__(self, store: Store, path: Path) -> None:
        self.store, self.path = store, path
        self.clock, self.sent = ManualClock(), Outbox()
        nodes = registry(("shop", "active"))
        self.jobs = Jobs(store, self.sent, self.clock, Doctor(), JobOptions(at_end=job_ended))
        self.transactions = Transactions(store, self.sent, self.clock, Doctor(), nodes.get)
        self.retention = Retention(store, self.clock, RetentionConfig(jobs_days=30, transactions_days=10))

    async def job(self, key: str, callback: Callback | None = None, result: object = None, *, end: bool = True) -> None:
        await self.jobs.start(Run(id=key, action="note", nodes=["shop"], callback=callback), ["shop"], "ann")
        [(_, command)] = self.sent.take()
        if end:
            await self.jobs.on_result("shop", answer(command, result=result))

    async def transaction(self, key: str, state: str = "committed") -> None:
        await self.transactions.start(Transact(id=key, steps=[StepSpec(name="a", node="shop", action="note")]), "ann")
        [(_, command)] = self.sent.take()
        if state != "running":
            await self.transactions.on_result("shop", answer(command))
            await self.store.write(Write(update(tx).where(tx.c.id == key).values(state=state), [{}]))

    async def ids(self, *tables: str) -> list[list[str]]:
        """Which jobs or transactions each of the tables knows."""
        found = []
        for name in tables:
            columns = metadata.tables[name].c
            key = next(columns[each] for each in ("job", "tx", "id") if each in columns)
            found.append(
                [row["key"] for row in await self.store.read(select(key.label("key")).distinct().order_by(key))]
            )
        return found

    async def pass_days(self, days: float) -> None:
        self.clock.advance(days * DAY_S)
        await self.retention.prune()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    room = Room(store, tmp_path / "master.db")
    yield room
    await room.jobs.close()
    await room.transactions.close()
    await store.close()


async def test_a_job_goes_with_its_nodes_when_its_time_is_over(room: Room) -> None:
    await room.job("old")
    await room.pass_days(20)
    await room.job("new")
    assert await room.ids("job", "job_node") == [["new", "old"]] * 2
    await room.pass_days(10.1)
    assert await room.ids("job", "job_node") == [["new"]] * 2


async def test_what_has_not_ended_and_what_is_still_to_be_told_stays(room: Room) -> None:
    await room.job("running", end=False)
    await room.job("untold", Callback(type="x"))
    await room.job("told")
    await room.pass_days(29)
    assert await room.ids("job") == [["running", "told", "untold"]]
    await room.pass_days(29)
    assert await room.ids("job") == [["running", "untold"]]
    [delivery] = await rows.read_due(room.store, room.clock.wall(), (), 10)
    await room.store.write(rows.sent(delivery))
    await room.pass_days(0)
    assert await room.ids("job") == [["running"]]


async def test_what_was_given_up_is_kept_as_long_as_its_job(room: Room) -> None:
    await room.job("untold", Callback(type="x"))
    [delivery] = await rows.read_due(room.store, room.clock.wall(), (), 10)
    await room.store.write(rows.abandoned(delivery, "nobody there"))
    await room.pass_days(29)
    assert len(await rows.read_abandoned(room.store, 10)) == 1
    await room.pass_days(2)
    assert await room.ids("job", "outbox") == [[], []]


async def test_a_transaction_goes_with_its_timeline_and_one_that_is_parked_stays(room: Room) -> None:
    for state in ("committed", "rolled_back", "parked", "running"):
        await room.transaction(state, state)
    await room.pass_days(9.9)
    assert len((await room.ids("tx"))[0]) == 4
    await room.pass_days(0.2)
    assert await room.ids("tx", "step", "timeline") == [["parked", "running"]] * 3


async def test_all_that_is_due_goes_in_one_round_however_much(room: Room) -> None:
    for number in range(2 * BATCH + 7):
        await room.job(f"j{number}")
    await room.pass_days(31)
    assert await room.ids("job", "job_node") == [[], []]


async def test_the_file_stays_as_small_as_what_is_kept_needs(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A month's jobs come and go, six times over."""
    monkeypatch.setattr("fleetfold_storage.vacuum.SPARE_PAGES", 10)
    sizes = []
    for month in range(6):
        for number in range(150):
            await room.job(f"m{month}-{number}", result="x" * 8000)
        await room.pass_days(31)
        sizes.append(await _bytes(room.store))
    assert max(sizes) < 600_000, sizes


async def _bytes(store: Store) -> int:
    """What the database's pages take; the file follows at the next checkpoint."""
    sizes = [(await store.read(text(f"PRAGMA {name}")))[0][name] for name in ("page_count", "page_size")]
    return int(sizes[0] * sizes[1])
