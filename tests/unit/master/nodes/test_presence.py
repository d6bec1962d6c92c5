"""Who is there: by their heartbeats, by a goodbye, by the broker's word; each change is told once."""

from __future__ import annotations

import pytest

from fleetfold_master.events import Event, NodeDown, NodeUp, Publish
from fleetfold_master.nodes import Presence
from fleetfold_master.nodes.presence import MISSED_HEARTBEATS
from fleetfold_shared.clock import ManualClock

HEARTBEAT_S = 5.0
PATIENCE_S = HEARTBEAT_S * MISSED_HEARTBEATS


def _into(told: list[tuple[str, bool]]) -> Publish:
    def publish(event: Event) -> None:
        assert isinstance(event, NodeUp | NodeDown)
        told.append((event.node, isinstance(event, NodeUp)))

    return publish


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def told() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def presence(clock: ManualClock, told: list[tuple[str, bool]]) -> Presence:
    return Presence(clock, HEARTBEAT_S, _into(told))


def test_a_node_is_down_after_three_heartbeats_of_silence(presence: Presence, clock: ManualClock) -> None:
    presence.heard("shop")
    clock.advance(PATIENCE_S)
    assert presence.is_up("shop")
    clock.advance(0.001)
    assert not presence.is_up("shop")


def test_a_node_never_heard_is_not_there(presence: Presence) -> None:
    assert not presence.is_up("shop")


def test_each_change_is_told_once(presence: Presence, clock: ManualClock, told: list[tuple[str, bool]]) -> None:
    for _ in range(5):
        presence.heard("shop")
        presence.sweep()
    assert told == [("shop", True)]
    clock.advance(PATIENCE_S + 1)
    for _ in range(3):
        presence.sweep()
        presence.gone("shop")
    assert told == [("shop", True), ("shop", False)]
    presence.heard("shop")
    assert told == [("shop", True), ("shop", False), ("shop", True)]


def test_the_silence_of_one_is_not_the_silence_of_another(
    presence: Presence, clock: ManualClock, told: list[tuple[str, bool]]
) -> None:
    presence.heard("shop")
    presence.heard("blog")
    clock.advance(PATIENCE_S)
    presence.heard("blog")
    clock.advance(1)
    presence.sweep()
    assert told[2:] == [("shop", False)]


def test_a_node_that_is_surely_gone_is_down_at_once(presence: Presence) -> None:
    presence.heard("shop")
    presence.gone("shop")
    assert not presence.is_up("shop")


def test_a_late_heartbeat_before_the_sweep_is_no_change(
    presence: Presence, clock: ManualClock, told: list[tuple[str, bool]]
) -> None:
    presence.heard("shop")
    clock.advance(PATIENCE_S + 1)
    presence.heard("shop")
    presence.sweep()
    assert told == [("shop", True)]
    assert presence.is_up("shop")


def test_each_node_is_judged_by_the_interval_that_it_uses(presence: Presence, clock: ManualClock) -> None:
    presence.heard("slow", 60.0)
    presence.heard("quick", 1.0)
    clock.advance(PATIENCE_S + 1)
    assert presence.is_up("slow")
    assert not presence.is_up("quick")
    clock.advance(60.0 * MISSED_HEARTBEATS - PATIENCE_S)
    assert not presence.is_up("slow")


@pytest.mark.parametrize(("old_s", "new_s"), [(1.0, 10.0), (10.0, 1.0)])
def test_a_changed_interval_is_no_change_of_presence(
    clock: ManualClock, told: list[tuple[str, bool]], old_s: float, new_s: float
) -> None:
    """A master restarts with another setting; the node hears of it with its next heartbeat."""
    presence = Presence(clock, new_s, _into(told))
    for used_s in (old_s, old_s, new_s, new_s, new_s, new_s, new_s):
        presence.heard("shop", used_s)
        clock.advance(used_s)
        presence.sweep()
    assert told == [("shop", True)]


def test_masters_that_disagree_on_the_interval_do_not_lose_a_node(
    presence: Presence, clock: ManualClock, told: list[tuple[str, bool]]
) -> None:
    for used_s in (HEARTBEAT_S, 60.0, HEARTBEAT_S, 60.0, HEARTBEAT_S, 60.0):
        presence.heard("shop", used_s)
        clock.advance(used_s)
        presence.sweep()
    assert told == [("shop", True)]


def test_the_response_time_is_a_moving_average_of_alpha_0_3(presence: Presence) -> None:
    assert presence.response_ms("shop") is None
    presence.answered("shop", 10.0)
    assert presence.response_ms("shop") == 10.0
    presence.answered("shop", 20.0)
    assert presence.response_ms("shop") == pytest.approx(13.0)
    presence.answered("shop", 3.0)
    assert presence.response_ms("shop") == pytest.approx(10.0)
