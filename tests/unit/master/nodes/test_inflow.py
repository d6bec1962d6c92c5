"""Budgets of what nodes say unasked: what is read of it, what is thrown away, and who is told to the door."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from fleetfold_master.events import Event, IdentityFlooded, Publish
from fleetfold_master.nodes import Inflow, Newest
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import LimitsConfig
from support.wait import eventually


def _into(told: list[str]) -> Publish:
    def publish(event: Event) -> None:
        assert isinstance(event, IdentityFlooded)
        told.append(event.identity)

    return publish


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_so_many_a_second_are_read_and_of_each_identity_alike(clock: ManualClock) -> None:
    inflow = Inflow(LimitsConfig(heartbeats_per_s=10, progress_per_s=20), clock)
    assert [sum(inflow.heartbeat(node) for _ in range(1000)) for node in ("shop", "blog")] == [50, 50]
    assert sum(inflow.progress("shop") for _ in range(1000)) == 100
    clock.advance(1.0)
    assert sum(inflow.heartbeat("shop") for _ in range(1000)) == 10
    assert sum(inflow.progress("shop") for _ in range(1000)) == 20


def test_who_is_far_beyond_is_told_to_the_door_once_and_again_if_it_goes_on(clock: ManualClock) -> None:
    told = list[str]()
    inflow = Inflow(LimitsConfig(flood_per_s=100), clock, _into(told))
    for _ in range(500):
        inflow.heartbeat("shop")
        inflow.progress("blog")
    assert told == []
    for _ in range(1000):
        inflow.junk("shop")
    assert told == ["shop"]
    clock.advance(5.0)
    for _ in range(1000):
        inflow.progress("shop")
    assert told == ["shop", "shop"]


def test_few_large_messages_count_as_many_small_ones(clock: ManualClock) -> None:
    told = list[str]()
    inflow = Inflow(LimitsConfig(progress_per_s=1000, flood_per_s=1000), clock, _into(told))
    assert sum(inflow.progress("shop", 900_000) for _ in range(23)) == 22  # of 220 messages each
    assert told == ["shop"]
    assert sum(inflow.progress("blog", 4095) for _ in range(5000)) == 5000
    assert told == ["shop"]


def test_a_busy_node_is_never_taken_for_a_flood(clock: ManualClock) -> None:
    told = list[str]()
    inflow = Inflow(LimitsConfig(), clock, _into(told))
    for _ in range(60):
        assert all(inflow.progress("shop") for _ in range(4000))  # of a thousand commands, four times a second
        assert all(inflow.heartbeat("shop") for _ in range(10))
        clock.advance(1.0)
    assert told == []


def test_without_a_limit_nobody_floods(clock: ManualClock) -> None:
    told = list[str]()
    inflow = Inflow(LimitsConfig(flood_per_s=0), clock, _into(told))
    for _ in range(100_000):
        inflow.junk("shop")
    assert told == []


async def test_of_too_many_heartbeats_the_newest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    due, read = list[Any](), list[str]()

    async def handle(message: Any) -> None:
        read.append(message.subject)

    newest = Newest(handle, 0.1)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", lambda _pause_s, call, *args: due.append((call, args)))
    for number in range(5):
        await newest.hear("shop", SimpleNamespace(subject=f"shop {number}"), now=number < 2)  # type: ignore[arg-type]
    await newest.hear("shop", SimpleNamespace(subject="goodbye"), now=True)  # type: ignore[arg-type]
    monkeypatch.undo()
    assert (read, len(due)) == (["shop 0", "shop 1"], 1)
    [(call, args)] = due
    call(*args)
    await eventually(lambda: read[2:] == ["goodbye"])
    await newest.stop()
