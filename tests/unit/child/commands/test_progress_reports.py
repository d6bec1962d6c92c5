"""Progress: the latest word of each command, a few times a second, the last one before its result."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from fleetfold_child.commands.context import Context
from fleetfold_child.commands.progress_reports import APART_S, ProgressPublisher, ProgressReporter
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Progress, ProgressReport
from support.wait import eventually


class Masters:
    """What they have heard; `away` while the broker is."""

    def __init__(self) -> None:
        self.heard: list[ProgressReport] = []
        self.away = False
        self.tries = 0

    async def hear(self, report: ProgressReport) -> None:
        self.tries += 1
        if self.away:
            raise Unavailable("the broker is away")
        self.heard.append(report)


def context(reporter: ProgressReporter) -> Context:
    reporter.begin(1)
    return Context(node="shop", command_id=reporter.command_id, reporter=reporter)


async def test_the_latest_word_is_told_and_not_every_one() -> None:
    masters = Masters()
    reports = ProgressPublisher(masters.hear)
    reporter = reports.of("a")
    ctx = context(reporter)
    for done in range(1000):
        ctx.progress(done, 1000, f"page {done}")
    await eventually(lambda: len(masters.heard) == 1)
    said = masters.heard[0]
    assert (said.id, said.progress.done, said.progress.total, said.progress.note) == ("a", 999, 1000, "page 999")
    assert (said.progress.attempt, abs(said.progress.at - time.time()) < 60) == (1, True)
    ctx.progress(1000)
    await reporter.close()
    assert [each.progress.done for each in masters.heard] == [999, 1000]
    await reports.stop()


async def test_there_are_never_more_than_four_in_a_second() -> None:
    masters, clock = Masters(), ManualClock()
    reports = ProgressPublisher(masters.hear, clock)
    contexts = [context(reports.of(name)) for name in ("a", "b")]
    for rounds in range(1, 4):
        for ctx in contexts * 50:
            ctx.progress(rounds)
        await eventually(lambda: clock.sleepers == 1)  # nothing more is said before the clock is turned
        assert [report.id for report in masters.heard] == ["a", "b"] * rounds
        clock.advance(APART_S)
    assert APART_S >= 1 / 4
    await reports.stop()


async def test_threads_may_report() -> None:
    masters = Masters()
    reports = ProgressPublisher(masters.hear)
    reporter = reports.of("a")
    ctx = context(reporter)
    thread = threading.Thread(target=lambda: [ctx.progress(done, 50) for done in range(51)])
    thread.start()
    await eventually(lambda: bool(masters.heard) and masters.heard[-1].progress.done == 50)
    thread.join()
    await reports.stop()


async def test_nothing_runs_when_nobody_reports() -> None:
    masters = Masters()
    reports = ProgressPublisher(masters.hear)
    context(reports.of("a")).progress(1)
    await eventually(lambda: len(masters.heard) == 1)
    await eventually(lambda: not reports._tasks)
    assert masters.tries == 1


async def test_what_cannot_be_sent_is_sent_when_the_broker_is_back() -> None:
    masters = Masters()
    masters.away = True
    reports = ProgressPublisher(masters.hear)
    context(reports.of("a")).progress(1)
    await eventually(lambda: masters.tries >= 2)
    masters.away = False
    await eventually(lambda: [each.progress.done for each in masters.heard] == [1])
    await reports.stop()


async def test_a_broker_that_is_away_does_not_keep_a_result() -> None:
    masters = Masters()
    masters.away = True
    reports = ProgressPublisher(masters.hear)
    reporter = reports.of("a")
    context(reporter).progress(1)
    await reporter.close()
    await reports.stop()


async def test_what_has_ended_says_no_more() -> None:
    masters = Masters()
    reports = ProgressPublisher(masters.hear)
    reporter = reports.of("a")
    ctx = context(reporter)
    ctx.progress(1)
    await reporter.close()
    ctx.cancel()
    ctx.progress(2)
    reporter.report(3, None, "")
    await asyncio.sleep(0)
    assert [each.progress.done for each in masters.heard] == [1]
    await reports.stop()


async def test_after_the_node_has_stopped_nobody_is_told() -> None:
    masters = Masters()
    reports = ProgressPublisher(masters.hear)
    reporter = reports.of("a")
    await reports.stop()
    context(reporter).progress(1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not reports._tasks
    assert masters.heard == []


@pytest.mark.parametrize(("done", "total"), [(float("nan"), None), (1, float("inf")), (10**400, None), (1, 10**4000)])
def test_what_is_no_number_is_refused(done: float, total: float | None) -> None:
    with pytest.raises(ValueError, match=r"progress: (done|total) must be a number"):
        Context(node="shop", command_id="a").progress(done, total)


def test_an_action_may_report_where_nobody_hears_it_and_a_long_note_is_cut() -> None:
    reporter = ProgressReporter("a", None)
    Context(node="test", command_id="a", reporter=reporter).progress(1, note="x" * 600)
    assert isinstance(reporter.latest, Progress)
    assert len(reporter.latest.note) == 500
