"""Clocks that are far from their peers'."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from fleetfold_master.events import Event, NodeClockOff
from fleetfold_master.nodes.clock_watch import BACK_S, HEARTBEATS, OFF_S, ClockWatch, describe_offset
from fleetfold_shared.clock import ManualClock

DAYS_S = 40 * 86_400.0


class Room:
    """A watch, and what it has published."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        self.watch = ClockWatch(self.clock, self.events.append)

    def heartbeat(self, node: str, off_s: float, times: int = HEARTBEATS) -> None:
        for _ in range(times):
            self.watch.heard(node, self.clock.wall() + off_s)


@pytest.mark.parametrize("off_s", [OFF_S + 1, -OFF_S - 1, DAYS_S, -DAYS_S])
def test_a_clock_far_from_its_peers_is_told_once(off_s: float) -> None:
    room = Room()
    room.heartbeat("blog", 0.0)
    room.heartbeat("shop", off_s, 5)
    assert room.events == [NodeClockOff("shop", off_s)]
    assert room.watch.off_s("shop") == off_s
    assert room.watch.off_s("blog") is None


def test_one_late_heartbeat_is_no_wrong_clock() -> None:
    room = Room()
    room.heartbeat("shop", -300.0, HEARTBEATS - 1)
    room.heartbeat("shop", 0.0)
    assert room.events == []


def test_a_wrong_clock_is_right_again_well_within_the_limit_only() -> None:
    room = Room()
    room.heartbeat("shop", 90.0)
    room.heartbeat("shop", (OFF_S + BACK_S) / 2)
    assert room.watch.off_s("shop") == 90.0
    room.heartbeat("shop", BACK_S)
    assert room.watch.off_s("shop") is None
    assert room.events[-1] == NodeClockOff("shop", 0.0)


def test_where_most_agree_it_is_the_masters_clock_that_is_wrong() -> None:
    room = Room()
    with capture_logs() as logs:
        for name in ("shop", "blog", "crm"):
            room.heartbeat(name, 3 * 3600.0, 1)
        for name in ("shop", "blog", "crm"):
            room.heartbeat(name, 3 * 3600.0, 1)
    assert [line["event"] for line in logs] == ["master.clock_off"]
    assert logs[0]["reason"] == "its clock is 3 hours behind its peers'"
    assert [room.watch.off_s(name) for name in ("shop", "blog", "crm")] == [None] * 3


@pytest.mark.parametrize(
    ("off_s", "said"), [(90, "90 seconds ahead of"), (-7200, "2 hours behind"), (DAYS_S, "40 days ahead of")]
)
def test_an_offset_is_said_in_a_unit_that_people_use(off_s: float, said: str) -> None:
    assert describe_offset(off_s) == said
