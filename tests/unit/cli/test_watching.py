"""A job that is waited for: seen while it runs, shown when it has ended, left without being stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from io import StringIO

import msgspec
import pytest

from fleetfold_cli.app import main
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.commands import job_watch
from fleetfold_cli.views.progress_view import PrintedProgress, far
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import Job, JobNode, Progress
from support.commandline import FakeFleet, job, logging_as_it_was, run_command


def _running(**progress: Progress | None) -> Job:
    nodes = [JobNode(name, progress=each, began=True) for name, each in progress.items()]
    return job("running", nodes=nodes)


async def _control_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    await _for_ever()


async def _for_ever() -> None:
    await asyncio.Event().wait()


HALF = _running(shop=Progress(done=5, total=10, note="page 5"), blog=None)
STEPS = [_running(shop=None, blog=None), HALF, job("ok")]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watch, "QUIET_S", 0.0)


def test_run_follows_what_does_not_end_at_once_and_shows_its_end() -> None:
    fleet = FakeFleet(answer=job("running"), changes=STEPS)
    result = run_command("run", "shop", "sync", fleet=fleet)
    assert [verb for verb, _ in fleet.asked] == ["run", "follow"]
    assert fleet.asked[0][1]["wait"] is False
    assert result.code == 0
    assert "reserve_stock: ok  job j1" in result.out
    assert result.err == "shop: 5 of 10: page 5\n"


def test_what_ends_soon_is_not_talked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watch, "QUIET_S", 60.0)
    assert run_command("run", "shop", "sync", fleet=FakeFleet(answer=job("running"), changes=STEPS)).err == ""


def test_with_json_there_is_the_final_document_and_nothing_else() -> None:
    fleet = FakeFleet(answer=job())
    result = run_command("run", "shop", "sync", "--json", fleet=fleet)
    assert (result.json["state"], result.err) == ("ok", "")
    assert fleet.asked[0][1]["wait"] is True


@pytest.mark.parametrize("words", [("run", "shop", "sync", "--follow", "--json"), ("jobs", "follow", "j1", "--json")])
def test_json_lines_tell_each_change(words: tuple[str, ...]) -> None:
    result = run_command(*words, fleet=FakeFleet(answer=job("running"), changes=STEPS))
    lines = [msgspec.json.decode(line) for line in result.out.splitlines()]
    assert [line["state"] for line in lines] == ["running", "running", "ok"]
    assert lines[1]["nodes"][0]["progress"]["done"] == 5
    assert (result.code, result.err) == (0, "")


def test_one_that_has_ended_already_is_one_line() -> None:
    result = run_command("run", "shop", "sync", "--follow", "--json", fleet=FakeFleet(answer=job("failed")))
    assert (result.out.count("\n"), result.code) == (1, 1)


@pytest.fixture
def control_c() -> Iterator[None]:
    """Control-C as a program finds it at its start, whatever ran in this process before."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("control_c")
def test_who_stops_waiting_is_told_that_the_job_goes_on() -> None:
    for words in (["run", "shop", "sync", "--id", "j1"], ["jobs", "follow", "j1"]):
        interrupted = FakeFleet(answer=job("running"), changes=[HALF, _control_c])
        result = run_command(*words, fleet=interrupted)
        assert result.code == 130
        assert "the job j1 goes on; `fleetfold jobs follow j1` watches it, `fleetfold jobs cancel j1`" in result.err


def test_a_terminal_has_a_live_view_on_stderr_and_the_outcome_on_stdout() -> None:
    class Tty(StringIO):
        def isatty(self) -> bool:
            return True

    out, err = StringIO(), Tty()
    slow = FakeFleet(answer=job("running"), changes=STEPS)
    with logging_as_it_was():
        assert main(["run", "shop", "sync"], Terminal(out, err, StringIO(), slow.connect)) == 0  # type: ignore[arg-type]
    assert "reserve_stock: ok  job j1" in out.getvalue()
    assert "reserve_stock: ok" not in err.getvalue()


def test_nobody_waits_for_ever() -> None:
    result = run_command("jobs", "follow", "j1", "--timeout", "0.05", fleet=FakeFleet(changes=[HALF, _for_ever]))
    assert (result.code, result.err.splitlines()[-1]) == (1, "fleetfold: j1 has not ended within 0.05 s; it goes on")


def test_a_job_that_is_not_there_is_refused() -> None:
    result = run_command("jobs", "follow", "j1", fleet=FakeFleet(changes=[NotFound("id: there is no job 'j1'")]))
    assert (result.code, result.err) == (2, "fleetfold: id: there is no job 'j1'\n")


def test_cancelling_shows_the_job_as_it_stands() -> None:
    cancelled = job("running", outcome=None, cancelled_by="ann")
    fleet = FakeFleet(answer=cancelled)
    result = run_command("jobs", "cancel", "j1", fleet=fleet)
    assert fleet.asked == [("cancel_job", "j1")]
    assert (result.code, "cancelled by ann" in result.out) == (0, True)


def test_lists_are_narrowed_by_their_options() -> None:
    fleet, began = FakeFleet(answer=[]), time.time()
    words = ["--state", "failed", "--action", "sync", "--caller", "ann", "--since", "1h"]
    run_command("jobs", "list", *words, fleet=fleet)
    [(_, asked)] = fleet.asked
    assert began - 3600 <= asked.pop("since") <= time.time() - 3600
    assert asked == {"limit": 50, "state": "failed", "action": "sync", "caller": "ann"}
    run_command("tx", "list", "--state", "parked", fleet=fleet)
    assert fleet.asked[-1] == ("transactions", (50, "parked"))


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (None, ""), (Progress(done=3), "3"), (Progress(done=2.5, total=10), "2.5 of 10"),
        (Progress(done=3, total=10, note="a\x1b[31m b", attempt=2), "3 of 10, try 2: a[31m b"),
    ],
)  # fmt: skip
def test_how_far_it_has_come_is_said_in_its_own_unit(progress: Progress | None, said: str) -> None:
    assert far(progress) == said


def test_lines_are_said_once_and_not_too_often() -> None:
    told = PrintedProgress()
    at = [0.0, 1.0, 6.0]
    steps = [Progress(done=done, total=9) for done in (1, 2, 3)]
    said = [list(told.news(_running(shop=step), now)) for step, now in zip(steps, at, strict=True)]
    assert said == [["shop: 1 of 9"], [], ["shop: 3 of 9"]]
    ended = job("failed", outcome="failed")
    assert list(told.news(ended, 7.0)) == ["shop: failed, 4.2 ms: too few"]
    assert list(told.news(ended, 8.0)) == []
