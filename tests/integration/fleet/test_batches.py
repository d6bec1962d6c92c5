"""Thousands of runs in one call: each done once, whatever breaks off or dies; with room for so many, and no more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from fleetfold import Context, Run, action
from fleetfold.batch_submission import SubmitOutcome
from fleetfold_shared import verbs
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import JobEndsRequest, Scopes
from support.inprocess import Fleet, failures, fleet
from support.wait import eventually

__all__ = ["fleet"]


def entries(number: int, batch: str = "b", **more: Any) -> Iterator[Run]:
    return (
        Run(id=f"{batch}-{n}", action="enter", params={"tx": batch, "step": str(n)}, nodes=["shop"], **more)
        for n in range(number)
    )


async def submitted(fleet: Fleet, runs: Any, **options: Any) -> dict[int, SubmitOutcome]:
    return {outcome.index: outcome async for outcome in fleet.client.submit(runs, **options)}


def steps(fleet: Fleet) -> Counter[str]:
    return Counter(step for step, _ in fleet.effects("shop"))


async def test_a_batch_is_done_line_by_line_and_told_by_its_places(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    outcomes = await submitted(fleet, entries(1200), window=300)
    assert sorted(outcomes) == list(range(1200))
    assert {(outcome.state, outcome.nodes[0].outcome) for outcome in outcomes.values()} == {("ok", "ok")}
    assert outcomes[7].id == "b-7"
    assert outcomes[7].nodes[0].result["entry"]
    assert steps(fleet) == Counter({str(n): 1 for n in range(1200)})


async def test_a_batch_that_is_given_again_does_nothing_twice(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    async with aclosing(fleet.client.submit(entries(60), window=20)) as outcomes:
        async for outcome in outcomes:
            if outcome.index >= 30:
                break
    again = await submitted(fleet, entries(60))
    assert [again[n].state for n in range(60)] == ["ok"] * 60
    assert steps(fleet) == Counter({str(n): 1 for n in range(60)})


async def test_what_is_wrong_with_one_line_is_no_concern_of_the_others(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    good = next(entries(1))
    runs = [
        good,
        Run(id="x1", action="enter", params={"tx": 5}, nodes=["shop"]),
        Run(id="x2", action="enter", params={"tx": "b"}, nodes=["nobody"]),
        Run(id="x3", action="enter", params={"tx": "b"}, where="role="),
        Run(id="no.dots", action="enter", params={"tx": "b"}, nodes=["shop"]),
        Run(id="x4", action="stumble", nodes=["shop"]),
        Run(id="b-0", action="doze", nodes=["shop"]),
        Run(id="x5", action="enter", params={"tx": "b", "step": "y" * 1_100_000}, nodes=["shop"]),
        good,
    ]
    outcomes = await submitted(fleet, runs)
    fields = {n: outcome.error.field for n, outcome in outcomes.items() if outcome.error}
    assert fields == {1: "params.tx", 2: "node", 3: "where", 4: "id", 6: "id", 7: None}
    codes = {n: outcomes[n].error.code for n in (2, 6, 7)}  # type: ignore[union-attr]
    assert codes == {2: "not_found", 6: "conflict", 7: "too_large"}
    assert {n: outcomes[n].state for n in (0, 5, 8)} == {0: "ok", 5: "failed", 8: "ok"}
    assert steps(fleet) == Counter({"0": 1})


async def test_no_more_are_taken_than_there_is_room_for(fleet: Fleet) -> None:
    taken, begun, gate = 0, list[str](), asyncio.Event()

    @action
    async def linger(ctx: Context) -> None:
        """Wait to be let go."""
        begun.append(ctx.key)
        await gate.wait()

    await fleet.start(fleet.declare("shop").add(linger))

    def runs() -> Iterator[Run]:
        nonlocal taken
        for taken in range(1, 101):
            yield Run(id=f"r-{taken}", action="linger", nodes=["shop"])

    outcomes = fleet.client.submit(runs(), window=10)
    first = asyncio.ensure_future(anext(outcomes))
    await eventually(lambda: len(begun) == 10)
    assert taken <= 11  # the one that waits for room
    gate.set()
    assert (await first).state == "ok"
    assert len([outcome async for outcome in outcomes]) == 99


async def test_what_ends_is_told_while_the_next_line_is_waited_for(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    more = asyncio.Event()

    async def runs() -> AsyncIterator[Run]:
        first, second = entries(2)
        yield first
        await more.wait()
        yield second

    async with asyncio.timeout(10), aclosing(fleet.client.submit(runs())) as outcomes:
        assert (await anext(outcomes)).index == 0
        more.set()
        assert (await anext(outcomes)).index == 1
        with pytest.raises(StopAsyncIteration):
            await anext(outcomes)


async def test_a_master_that_dies_in_the_middle_costs_time_and_nothing_else(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fleet.start_child("shop")
    found: dict[int, SubmitOutcome] = {}

    async def work() -> None:
        async for outcome in fleet.client.submit(entries(400), window=50):
            found[outcome.index] = outcome

    working = asyncio.create_task(work())
    await eventually(lambda: len(found) > 60)
    missed = failures(fleet.client, monkeypatch)
    await fleet.stop_master()
    await eventually(lambda: len(missed) >= 2)
    await fleet.start_master()
    await asyncio.wait_for(working, 60)
    assert {outcome.state for outcome in found.values()} == {"ok"}
    assert steps(fleet) == Counter({str(n): 1 for n in range(400)})


async def test_a_batch_may_only_be_checked_or_only_be_begun(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    checked = await submitted(fleet, entries(5, dry_run=True))
    assert [(checked[n].state, checked[n].targets) for n in range(5)] == [("checked", 1)] * 5
    assert await fleet.client.jobs.list() == []
    begun = await submitted(fleet, entries(5), wait=False)
    assert {outcome.state for outcome in begun.values()} <= {"running", "ok"}
    await eventually(lambda: len(steps(fleet)) == 5)


async def test_who_may_not_is_told_line_by_line_and_the_log_knows(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    narrow = await fleet.new_client("narrow", "publisher", scopes=Scopes(nodes=["blog"]))
    runs = [*entries(2), Run(id="mine", action="doze", params={"seconds": 0}, nodes=["blog"])]
    outcomes = {outcome.index: outcome async for outcome in narrow.submit(runs)}
    assert [outcomes[n].error.code for n in (0, 1)] == ["forbidden"] * 2  # type: ignore[union-attr]
    assert outcomes[2].state == "ok"
    audited = await fleet.client.audit.list(who="narrow")
    assert [entry.outcome for entry in audited if entry.what == "actions.submit"].count("refused") == 2
    [other] = [outcome async for outcome in fleet.client.submit([next(entries(1, "z"))])]
    seen = await narrow._caller.ask(verbs.jobs.ENDED, JobEndsRequest(ids=[other.id, "mine"]))
    assert ([end.id for end in seen.ended], seen.unknown) == (["mine"], [other.id])


async def test_results_too_large_for_one_answer_come_in_several(fleet: Fleet) -> None:
    @action
    async def big(ctx: Context) -> str:
        """As much as an action may return."""
        return "x" * 250_000

    await fleet.start(fleet.declare("shop").add(big))
    runs = [Run(id=f"big-{n}", action="big", nodes=["shop"]) for n in range(12)]
    outcomes = await submitted(fleet, runs)
    assert [len(outcomes[n].nodes[0].result) for n in range(12)] == [250_000] * 12


async def test_a_batch_fails_where_there_is_no_master_and_when_patience_is_over(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    outcomes = fleet.client.submit(entries(100), window=5, patience_s=0.5)
    await anext(outcomes)
    await fleet.stop_master()
    with pytest.raises(Unavailable):
        async for _ in outcomes:
            pass
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="no master"):
            await submitted(fleet, entries(1))
    with pytest.raises(InvalidInput, match="window"):
        fleet.client.submit([], window=0)


async def test_what_the_lines_themselves_raise_reaches_the_caller(fleet: Fleet) -> None:
    await fleet.start_child("shop")

    def runs() -> Iterator[Run]:
        yield next(entries(1))
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        await submitted(fleet, runs())
