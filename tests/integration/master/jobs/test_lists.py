"""Lists of jobs and transactions, narrowed to what is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_master.jobs import Jobs
from fleetfold_master.store import Store
from fleetfold_master.transactions import Transactions
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.messages import JobList, Run, StepSpec, Transact
from support.master import Doctor, Outbox, answer, registry


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["d", "c", "b", "a"]), ({"state": "failed"}, ["b"]), ({"action": "note"}, ["c", "a"]),
        ({"caller": "bob"}, ["d", "c"]), ({"caller": "bob", "action": "note"}, ["c"]),
        ({"since": 1_000_020.0}, ["d", "c"]), ({"limit": 1, "state": "running"}, ["d"]),
    ],
)  # fmt: skip
async def test_jobs_by_state_action_caller_and_age(store: Store, asked: dict[str, Any], found: list[str]) -> None:
    clock, sent = ManualClock(), Outbox()
    jobs = Jobs(store, sent, clock, Doctor())
    for key, action, caller, outcome in (
        ("a", "note", "ann", "ok"), ("b", "undo", "ann", "failed"),
        ("c", "note", "bob", "ok"), ("d", "undo", "bob", None),
    ):  # fmt: skip
        await jobs.start(Run(id=key, action=action, nodes=["shop"]), ["shop"], caller)
        [(_, command)] = sent.take()
        if outcome:
            await jobs.on_result("shop", answer(command, outcome))  # type: ignore[arg-type]
        clock.advance(10)
    ask = JobList(**asked)
    assert [job.id for job in await jobs.list(ask.limit, ask)] == found
    await jobs.close()


async def test_transactions_by_state(store: Store) -> None:
    sent = Outbox()
    transactions = Transactions(store, sent, ManualClock(), Doctor(), registry(("shop", "active")).get)
    for key in ("a", "b"):
        await transactions.start(Transact(id=key, steps=[StepSpec(name="s", node="shop", action="note")]), "ann")
    await transactions.on_result("shop", answer(sent.take()[0][1]))
    assert [view.id for view in await transactions.list(50, "committed")] == ["a"]
    assert [view.id for view in await transactions.list(50, "running")] == ["b"]
    assert [view.id for view in await transactions.list(50, "parked")] == []
    await transactions.close()
