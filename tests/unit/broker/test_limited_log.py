"""Warnings that others can cause: one line for each in a minute, with the number of the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import structlog
from structlog.testing import capture_logs

from fleetfold_broker import limited_log
from fleetfold_broker.limited_log import LimitedLog


class Later:
    """Keeps what is to be called when the minute is over."""

    def __init__(self) -> None:
        self.due: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def __call__(self, seconds: float, call: Callable[..., object], *args: object) -> None:
        assert seconds == 60
        self.due.append((call, args))

    def pass_by(self) -> None:
        due, self.due = self.due, []
        for call, args in due:
            call(*args)


def test_a_flood_is_one_line_and_a_number() -> None:
    later = Later()
    with capture_logs() as logs:
        quiet = LimitedLog(structlog.get_logger(), later)
        for number in range(1000):
            quiet.warning("heartbeat.malformed", "shop", node="shop", reason=f"r{number}")
        quiet.warning("heartbeat.malformed", "blog", node="blog", reason="b")
        quiet.warning("progress.malformed", "shop", node="shop", reason="p")
        assert [(entry["event"], entry["node"], entry["reason"]) for entry in logs] == [
            ("heartbeat.malformed", "shop", "r0"), ("heartbeat.malformed", "blog", "b"),
            ("progress.malformed", "shop", "p"),
        ]  # fmt: skip
        later.pass_by()
        assert [(entry["node"], entry["more"]) for entry in logs[3:]] == [("shop", 999)]
        quiet.warning("heartbeat.malformed", "shop", node="shop", reason="again")
        assert logs[-1]["reason"] == "again"


def test_any_number_of_identities_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_log, "MOST_HELD", 5)
    later = Later()
    with capture_logs() as logs:
        quiet = LimitedLog(structlog.get_logger(), later)
        for number in range(100):
            quiet.warning("x.malformed", f"n{number}")
        assert len(logs) == len(later.due) == 6
        later.pass_by()
    assert [entry["more"] for entry in logs[6:]] == [94]
