"""Ledgers forget what the masters have settled, whatever their clocks say."""

from __future__ import annotations

import sqlite3

import pytest
from structlog.testing import capture_logs

from fleetfold_child.node import node as node_module
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.messages import Command
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

YEAR_S = 365 * 86_400.0


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_master.recovery.forgettable_commands.SETTLED_S", -1.0)


async def forget(fleet: Fleet, name: str) -> None:
    """What the node does from time to time, with a clock that is a year ahead."""
    node = fleet.children[name]._node
    assert node is not None
    node._ledger._clock = ManualClock(2e9 + YEAR_S)
    await node._results.mark_published()
    await node._forgetting.run_once()


def remembered(fleet: Fleet, name: str) -> list[str]:
    with sqlite3.connect(fleet.place / name / "node.db") as connection:
        return [row[0] for row in connection.execute("SELECT id FROM fleetfold_command ORDER BY id")]


async def test_a_clock_that_is_years_ahead_forgets_nothing_that_is_open(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"], id="ended")
    node = fleet.children["shop"]._node
    assert node is not None
    await node._executor.handle(Command(id="j.open.shop", attempt=1, action="doze", params={"seconds": 0}))
    await node._ledger.published("j.open.shop")
    with capture_logs() as logs:
        await forget(fleet, "shop")
    assert remembered(fleet, "shop") == ["j.open.shop"]
    assert [(line["event"], line["commands"]) for line in logs if line["event"] == "ledger.unknown_to_masters"] == [
        ("ledger.unknown_to_masters", 1)
    ]


async def test_without_a_master_nothing_is_forgotten(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "CONFIRM_S", 0.1)
    await fleet.start_child("shop")
    await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"], id="ended")
    await fleet.stop_master()
    await forget(fleet, "shop")
    assert remembered(fleet, "shop") == ["j.ended.shop"]
