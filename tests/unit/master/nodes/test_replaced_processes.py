"""Nothing that a replaced process says counts, and its refusal is told once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fleetfold_broker.subjects import Subjects
from fleetfold_master.events import AnswerRefused, Event
from fleetfold_master.jobs.progress_routing import subscribe_to_progress
from fleetfold_master.nodes import AskAgain, Inflow, ReplacedProcesses
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.messages import Progress, ProgressReport, encode

REGISTERED = {"shop": "new"}


@pytest.fixture
def published() -> list[Event]:
    return []


@pytest.fixture
def replaced(published: list[Event]) -> ReplacedProcesses:
    return ReplacedProcesses(REGISTERED.get, published.append)


@pytest.mark.parametrize(
    ("node", "incarnation"),
    [("shop", "new"), ("shop", ""), ("unknown", "old")],
    ids=["the registered one", "an older release", "an unknown node"],
)
def test_what_no_other_process_has_replaced_is_taken(
    replaced: ReplacedProcesses, published: list[Event], node: str, incarnation: str
) -> None:
    assert not replaced.refuses(node, incarnation, "answer")
    assert (published, replaced.counts.total()) == ([], 0)


def test_each_refusal_is_counted_and_the_first_of_a_process_is_told(
    replaced: ReplacedProcesses, published: list[Event]
) -> None:
    assert all(replaced.refuses("shop", "old", what) for what in ("result", "answer", "answer"))
    assert replaced.refuses("shop", "older", "heartbeat")
    assert published == [AnswerRefused("shop", "old", "result"), AnswerRefused("shop", "older", "heartbeat")]
    assert replaced.counts == {("shop", "result"): 1, ("shop", "answer"): 2, ("shop", "heartbeat"): 1}


def test_a_command_is_sent_again_at_once_and_then_once_a_second() -> None:
    clock = ManualClock()
    again = AskAgain(clock)
    assert [again.now("j.1.shop"), again.now("j.1.shop"), again.now("j.2.shop")] == [True, False, True]
    clock.advance(1.0)
    assert again.now("j.1.shop")


async def test_progress_of_a_replaced_process_reaches_no_job(replaced: ReplacedProcesses) -> None:
    hear: list[Callable[[Any], Awaitable[None]]] = []
    taken: list[str] = []

    async def subscribe(_subject: str, callback: Callable[[Any], Awaitable[None]]) -> None:
        hear.append(callback)

    def take(_node: str, report: ProgressReport) -> bool:
        taken.append(report.incarnation)
        return True

    bus: Any = SimpleNamespace(subjects=Subjects(), connection=SimpleNamespace(subscribe=subscribe))
    await subscribe_to_progress(bus, Inflow(LimitsConfig(), ManualClock()), take, refuses=replaced.refuses)
    for incarnation in ("old", "new", ""):
        report = ProgressReport(id="j.1.shop", progress=Progress(done=1.0, at=1.0), incarnation=incarnation)
        await hear[0](SimpleNamespace(subject="fleet.prog.shop", data=encode(report)))
    assert taken == ["new", ""]
