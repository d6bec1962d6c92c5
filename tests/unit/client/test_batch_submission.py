"""A batch against a made-up master: what it does when that is full, away, slow or small."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fleetfold import batch_submission, request_retry
from fleetfold.batch_submission import Submission, SubmitOutcome
from fleetfold_shared.errors import (
    DeadlineExceeded,
    FleetfoldError,
    Forbidden,
    Overloaded,
    RateLimited,
    TooLarge,
    Unavailable,
)
from fleetfold_shared.messages import JobEnd, JobEnds, JobEndsRequest, Run, RunAccepted, Submit, Submitted, encode
from fleetfold_shared.verbs import Verb


class Master:
    """Accepts each run once, and ends all that it is asked for. `fails` may raise, given the verb and the turn."""

    def __init__(self, fails: Callable[[str, int], None] = lambda _verb, _turn: None) -> None:
        self._fails = fails
        self.turns = Counter[str]()
        self.accepted = Counter[str]()
        self.requests: list[int] = []
        self.full: dict[str, int] = {}
        self.most_bytes = 1 << 30

    async def ask(self, verb: Verb[Any, Any], ask: Any, _timeout_s: float = 0.0, /) -> Any:
        self.turns[verb.name] += 1
        await asyncio.sleep(0)
        if len(encode(ask)) > self.most_bytes:
            raise TooLarge("too large for this broker")
        self._fails(verb.name, self.turns[verb.name])
        return self._submit(ask) if isinstance(ask, Submit) else self._ended(ask)

    def _submit(self, ask: Submit) -> Submitted:
        self.requests.append(len(ask.runs))
        return Submitted(runs=[self._accept(run) for run in ask.runs])

    def _accept(self, run: Run) -> RunAccepted:
        if self.full.get(run.id, 0) > 0:
            self.full[run.id] -= 1
            return RunAccepted(id=run.id, error=Overloaded("nodes: the queue is full").body())
        self.accepted[run.id] += 1
        return RunAccepted(id=run.id, state="running", nodes=1)

    def _ended(self, ask: JobEndsRequest) -> JobEnds:
        assert set(ask.ids) <= set(self.accepted)
        return JobEnds(ended=[JobEnd(key, "ok", []) for key in ask.ids])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = replace(request_retry.BACKOFF, base_s=0.001)
    monkeypatch.setattr(request_retry, "BACKOFF", fast)
    monkeypatch.setattr(batch_submission, "BACKOFF", fast)


def runs(number: int, **more: Any) -> list[Run]:
    return [Run(id=f"r{n}", action="ship", nodes=["shop"], **more) for n in range(number)]


async def outcomes(
    master: Master, given: list[Run], *, window: int = 1000, patience_s: float = 5.0
) -> list[SubmitOutcome]:
    async with asyncio.timeout(20):
        found = [one async for one in Submission(master.ask, window, patience_s, wait=True).outcomes(given)]
    assert sorted(one.index for one in found) == list(range(len(given)))
    return sorted(found, key=lambda one: one.index)


async def test_hundreds_go_in_one_request() -> None:
    master = Master()
    found = await outcomes(master, runs(1200), window=1000)
    assert {one.state for one in found} == {"ok"}
    assert max(master.requests) == 500
    assert len(master.requests) <= 12
    assert set(master.accepted.values()) == {1}


async def test_a_queue_that_is_full_is_tried_again_and_holds_nobody_else_up() -> None:
    master = Master()
    master.full = {"r3": 4, "r5": 1}
    found = await outcomes(master, runs(20))
    assert {one.state for one in found} == {"ok"}
    assert master.accepted == Counter({f"r{n}": 1 for n in range(20)})


async def test_a_queue_that_stays_full_ends_its_line_with_the_error() -> None:
    master = Master()
    master.full = {"r1": 1 << 30}
    found = await outcomes(master, runs(3), patience_s=0.05)
    assert [one.state for one in found] == ["ok", None, "ok"]
    assert found[1].error is not None
    assert found[1].error.code == "overloaded"


@pytest.mark.parametrize("error", [Unavailable("gone"), DeadlineExceeded("late"), RateLimited("", retry_after_s=0.001)])
@pytest.mark.parametrize("verb", ["actions.submit", "jobs.ended"])
async def test_a_master_that_is_away_for_a_while_is_waited_for(verb: str, error: FleetfoldError) -> None:
    def fails(asked: str, turn: int) -> None:
        if asked == verb and 2 <= turn <= 5:
            raise error

    found = await outcomes(Master(fails), runs(30), window=10)
    assert {one.state for one in found} == {"ok"}


async def test_a_master_that_stays_away_fails_the_batch_with_its_own_error() -> None:
    def fails(asked: str, turn: int) -> None:
        if turn > 1:
            raise Unavailable("gone for good")

    with pytest.raises(Unavailable, match="gone for good"):
        await outcomes(Master(fails), runs(30), window=10, patience_s=0.05)


async def test_who_may_not_submit_at_all_is_told_at_once() -> None:
    def fails(asked: str, turn: int) -> None:
        raise Forbidden("actions.submit: not you")

    with pytest.raises(Forbidden, match="not you"):
        await outcomes(Master(fails), runs(3))


async def test_a_broker_that_takes_little_gets_little() -> None:
    master = Master()
    master.most_bytes = 2000
    found = await outcomes(master, [*runs(100), Run(id="big", action="ship", params={"x": "y" * 3000}, nodes=["shop"])])
    assert [one.id for one in found if one.state != "ok"] == ["big"]
    assert found[-1].error is not None
    assert found[-1].error.code == "too_large"


async def test_the_same_id_twice_ends_twice() -> None:
    found = await outcomes(Master(), [*runs(2), *runs(2)])
    assert [(one.id, one.state) for one in found] == [("r0", "ok"), ("r1", "ok")] * 2


async def test_who_stops_listening_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    batch = Submission(Master().ask, 5, 5.0, wait=True).outcomes(runs(50))
    await anext(batch)
    await batch.aclose()
    assert asyncio.all_tasks() == before


async def test_nothing_to_do_is_done() -> None:
    assert await outcomes(Master(), []) == []
