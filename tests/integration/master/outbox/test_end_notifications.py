"""What is written with an end: once for each end, whatever writes it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetfold_master.outbox import Delivery, rows
from fleetfold_master.outbox.end_notifications import job_ended, transaction_ended
from fleetfold_master.store import Store
from fleetfold_master.transactions.model import Tx
from fleetfold_shared.messages import Callback, TransactionState

HOOK = "https://hooks.example.org/x"


@dataclass
class Ended:
    id: str = "j1"
    caller: str = "ann"
    created_at: float = 1.0
    callback: Callback | None = None


def _tx(state: TransactionState, entries: int = 3, callback: Callback | None = None) -> Tx:
    return Tx(
        id="t1", digest="", name="", caller="ann", created_at=1.0, state=state, entries=entries, callback=callback
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    yield store
    await store.close()


async def _waiting(store: Store) -> list[Delivery]:
    return sorted(await rows.read_due(store, 1e18, (), 100), key=lambda delivery: delivery.created_at)


async def test_one_end_is_one_delivery_however_often_it_is_written(store: Store) -> None:
    for now in (10.0, 11.0):
        await store.write(*job_ended(Ended(callback=Callback(url=HOOK)), now))
    [delivery] = await _waiting(store)
    assert (delivery.type, delivery.record, delivery.name, delivery.url) == ("job.ended", "j1", "ann", HOOK)
    assert (delivery.place, delivery.created_at, delivery.tries) == ("https://hooks.example.org", 10.0, 0)
    await store.write(*job_ended(Ended(callback=Callback(url=HOOK), created_at=2.0), 12.0))  # another of that name
    assert len(await _waiting(store)) == 2


async def test_each_end_of_a_transaction_is_one_and_a_parked_one_an_alert_besides(store: Store) -> None:
    parked = _tx("parked", callback=Callback(type="order.done"))
    for now, tx in ((10.0, parked), (11.0, parked), (12.0, replace(parked, state="rolled_back", entries=9))):
        await store.write(*transaction_ended(tx, now))
    told = [(each.type, each.target, each.created_at) for each in await _waiting(store)]
    assert sorted(told) == [
        ("transaction.parked", "evt.ann.order.done", 10.0),
        ("transaction.parked", "evt.master.transaction.parked", 10.0),
        ("transaction.rolled_back", "evt.ann.order.done", 12.0),
    ]


def test_who_has_not_asked_costs_nothing() -> None:
    assert job_ended(Ended(), 1.0) == ()
    assert transaction_ended(_tx("committed"), 1.0) == ()
    assert transaction_ended(_tx("rolled_back"), 1.0) == ()
