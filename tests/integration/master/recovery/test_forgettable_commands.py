"""Which commands a ledger may forget: those whose job or transaction has ended, an hour ago."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Table, insert

from fleetfold_master.recovery.forgettable_commands import SETTLED_S, SettledCommands
from fleetfold_master.store import Store
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.tables import job, job_node, step, tx
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import RetentionConfig
from fleetfold_shared.messages import TransactionState

JOB = {
    "digest": "", "caller": "ann", "action": "order", "params": "{}", "sequential": False, "timeout_s": 60.0,
    "created_at": 0.0,
}  # fmt: skip
STEP = {
    "stage": 1, "action": "pay", "kind": "once", "params": "{}", "timeout_s": 60.0, "retries": 0, "pivot": False,
    "state": "done", "runs": "[]", "after": "[]", "retriable": False, "tries": 1, "compensation": 0,
    "compensations": 0, "compensation_tries": 0, "sends": 1,
}  # fmt: skip
TX = {"digest": "", "name": "t", "caller": "ann", "epoch": 1, "entries": 0, "created_at": 0.0}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'master.db'}")
    yield store
    await store.close()


def _row(table: Table, values: dict[str, object]) -> Write:
    """Insert a row with these values."""
    blank = {column.key: "" if column.server_default is not None else None for column in table.c}
    return Write(insert(table), [blank | values])


async def _job(store: Store, key: str, state: str, ended_at: float | None) -> None:
    await store.write(
        _row(job, {**JOB, "id": key, "state": state, "ended_at": ended_at}),
        _row(job_node, {"job": key, "position": 0, "node": "shop", "attempt": 1, "answered": True}),
    )


async def _transaction(store: Store, key: str, state: str, ended_at: float | None) -> None:
    await store.write(
        _row(tx, {**TX, "id": key, "state": state, "ended_at": ended_at}),
        _row(step, {**STEP, "tx": key, "position": 0, "name": "pay", "node": "shop"}),
    )


async def test_commands_of_jobs_are_settled_an_hour_after_the_end(store: Store) -> None:
    clock = ManualClock()
    settled = SettledCommands(store, clock, RetentionConfig())
    await _job(store, "ended", "partly", clock.wall())
    await _job(store, "running", "running", None)
    ids = ["j.ended.shop", "j.running.shop", "j.lost.shop"]
    assert (await settled.among("shop", ids)).settled == []
    clock.advance(SETTLED_S + 1)
    answer = await settled.among("shop", ids)
    assert (answer.settled, answer.unknown) == (["j.ended.shop"], ["j.lost.shop"])


@pytest.mark.parametrize(
    ("state", "is_settled"),
    [("running", False), ("compensating", False), ("parked", False), ("committed", True), ("rolled_back", True)],
)
async def test_commands_of_a_transaction_are_settled_when_nobody_can_go_on_with_it(
    store: Store, state: TransactionState, is_settled: bool
) -> None:
    clock = ManualClock()
    ended_at = None if state in {"running", "compensating"} else clock.wall()
    await _transaction(store, "t1", state, ended_at)
    clock.advance(SETTLED_S + 1)
    ids = ["t.t1.pay.f", "t.t1.pay.c", "t.t1.pay.c2r3"]
    answer = await SettledCommands(store, clock, RetentionConfig()).among("shop", ids)
    assert (answer.settled, answer.unknown) == (ids if is_settled else [], [])


async def test_a_node_learns_nothing_of_another_nodes_commands(store: Store) -> None:
    clock = ManualClock()
    await _job(store, "a", "ok", clock.wall())
    await _transaction(store, "a", "committed", clock.wall())
    clock.advance(SETTLED_S + 1)
    answer = await SettledCommands(store, clock, RetentionConfig()).among("blog", ["j.a.shop", "t.a.pay.f", "?"])
    assert (answer.settled, answer.unknown) == ([], ["j.a.shop", "t.a.pay.f", "?"])


async def test_a_job_and_a_transaction_of_one_id_are_two(store: Store) -> None:
    clock = ManualClock()
    await _job(store, "a", "ok", clock.wall())
    await _transaction(store, "a", "running", None)
    clock.advance(SETTLED_S + 1)
    settled = SettledCommands(store, clock, RetentionConfig())
    assert (await settled.among("shop", ["j.a.shop", "t.a.pay.f"])).settled == ["j.a.shop"]


async def test_with_a_short_retention_they_are_settled_in_half_of_it(store: Store) -> None:
    clock = ManualClock()
    await _job(store, "a", "ok", clock.wall())
    clock.advance(61)
    settled = SettledCommands(store, clock, RetentionConfig(jobs_days=120 / 86_400))
    assert (await settled.among("shop", ["j.a.shop"])).settled == ["j.a.shop"]
