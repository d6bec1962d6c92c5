"""Searches while nodes hang, fail and return: on time, and with the truth about each of them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from fleetfold.child import Child
from fleetfold.search_request import SearchOptions
from fleetfold_broker.rpc import scatter
from fleetfold_master.search.plan.search_plan import WaitingPolicy
from fleetfold_master.search.scatter.fan_out import ShardClient
from fleetfold_master.search.shard_response import ShardResponse
from fleetfold_shared.errors import DeadlineExceeded, InvalidInput, Unavailable
from fleetfold_shared.messages import NodeReport, NodeUpdate, SearchAnswer, Searched, SearchRequest
from support.inprocess import Fleet, fleet, hang, in_time_but, statuses
from support.wait import eventually

__all__ = ["fleet"]

SHORT_S = 0.3


def tents(name: str, number: int = 1) -> Any:
    return lambda: [{"id": f"{name}-{at}", "text": f"a tent {'x' * at}"} for at in range(number)]


async def start(fleet: Fleet, *names: str) -> None:
    for name in names:
        await fleet.start_child(name, {"docs": tents(name)})


def heal(child: Child, collection: str) -> None:
    """Take back what `hang` has done."""
    del child._collections[collection].search  # type: ignore[union-attr]


def client_of(fleet: Fleet) -> ShardClient:
    """The master's client of its nodes."""
    assert fleet.master is not None
    return fleet.master.federation.scatter.client


def report_of(found: Searched, node: str) -> NodeReport:
    return next(one for one in found.nodes if one.node == node)


async def opened(fleet: Fleet, node: str) -> None:
    """Search until the breaker of the node is open."""

    async def is_open() -> bool:
        try:
            found = await fleet.client.search("tent", options=SearchOptions(cache="off"), timeout_s=SHORT_S)
        except DeadlineExceeded:  # on a busy machine the answer is later than that
            return False
        return statuses(found)[node] == "open"

    await eventually(is_open)


async def test_every_status_is_told_of_whom_it_is_true(fleet: Fleet) -> None:
    await start(fleet, "fine", "hung", "broken", "idle", "gone", "lost", "cut")
    await fleet.start_child("bare")
    half = await fleet.start_child("half", {"docs": tents("half", 3), "slow": tents("slow", 1)})
    hang(half, "slow")
    hang(fleet.children["hung"], "docs")
    await opened(fleet, "hung")
    client_of(fleet).health.breakers.tried("hung")  # no trial meanwhile
    hang(fleet.children["cut"], "docs")

    async def refuse(*_: object) -> None:
        raise InvalidInput("k: it is odd", field="k")

    fleet.children["broken"]._collections["docs"].search = refuse  # type: ignore[assignment,method-assign,union-attr]
    await fleet.client.nodes.update(NodeUpdate(node="idle", state="maintenance"))
    await fleet.stop_child("gone")
    await fleet.vanish_child("lost")
    found = await fleet.client.search("tent", options=SearchOptions(cache="off"), timeout_s=1.0)
    assert statuses(found) == {
        "bare": "no_collection", "broken": "error", "cut": "timeout", "fine": "ok", "gone": "stopped",
        "half": "partial", "hung": "open", "idle": "not_selected", "lost": "unreachable",
    }  # fmt: skip
    assert report_of(found, "half").error == "not searched in time: slow"
    assert {hit.node for hit in found.hits} == {"fine", "half"}
    assert found.partial
    shares = {name: report_of(found, name).expected for name in ("broken", "cut", "fine", "half", "hung", "lost")}
    have = shares["fine"] + shares["half"] * 3 / 4  # of its documents
    assert found.coverage == pytest.approx(have / sum(shares.values()), abs=1e-3)
    assert "it failed 3 times in a row" in (report_of(found, "hung").error or "")


async def test_a_whole_answer_covers_all_and_an_empty_node_is_ok(fleet: Fleet) -> None:
    await start(fleet, "shop", "blog")
    found = await fleet.client.search("zebra", options=SearchOptions(threshold=0.9))
    assert (statuses(found), found.hits, found.partial) == ({"blog": "ok", "shop": "ok"}, [], False)
    assert found.coverage == 1.0
    assert [one.expected for one in found.nodes] == [0.5, 0.5]


async def test_what_most_have_answered_does_not_wait_for_the_deadline(fleet: Fleet) -> None:
    await fleet.start_child("big", {"docs": tents("big", 20)})
    await start(fleet, "small")
    for _ in range(3):
        await fleet.client.search("tent", options=SearchOptions(cache="off"))
    hang(fleet.children["small"], "docs")
    found = await fleet.client.search("tent", options=SearchOptions(cache="off"), timeout_s=20.0)
    assert statuses(found) == {"big": "ok", "small": "timeout"}
    assert "not waited for" in (report_of(found, "small").error or "")
    assert found.coverage == pytest.approx(report_of(found, "big").expected, abs=1e-3)
    assert found.coverage > 0.8


async def test_who_requires_all_waits_until_the_deadline_and_not_longer(fleet: Fleet) -> None:
    await fleet.start_child("big", {"docs": tents("big", 20)})
    await start(fleet, "small")
    hang(fleet.children["small"], "docs")
    found = await in_time_but(
        "small",
        lambda timeout_s: fleet.client.search(
            "tent", options=SearchOptions(cache="off", partial="require"), timeout_s=timeout_s
        ),
    )
    assert statuses(found) == {"big": "ok", "small": "timeout"}
    assert "not waited for" not in (report_of(found, "small").error or "")  # but until the deadline


async def test_who_wants_all_or_nothing_is_refused_by_the_names_of_the_missing(fleet: Fleet) -> None:
    await start(fleet, "shop", "blog")
    assert not (await fleet.client.search("tent", options=SearchOptions(cache="off", partial="fail"))).partial
    hang(fleet.children["blog"], "docs")
    with pytest.raises(Unavailable, match="partial: the answer lacks blog"):
        await fleet.client.search("tent", options=SearchOptions(cache="off", partial="fail"), timeout_s=2.0)


async def test_an_open_breaker_costs_no_time_and_whoever_requires_all_asks_all_the_same(fleet: Fleet) -> None:
    await start(fleet, "shop", "blog")
    hang(fleet.children["blog"], "docs")
    await opened(fleet, "blog")
    client_of(fleet).health.breakers.tried("blog")  # no trial meanwhile
    found = await fleet.client.search("tent", options=SearchOptions(cache="off"), timeout_s=20.0)
    assert statuses(found)["blog"] == "open"  # it was not asked
    heal(fleet.children["blog"], "docs")
    assert not (await fleet.client.search("tent", options=SearchOptions(cache="off", partial="require"))).partial
    assert not (await fleet.client.search("tent", options=SearchOptions(cache="off"))).partial


async def test_a_node_that_answers_again_is_taken_back(fleet: Fleet) -> None:
    await start(fleet, "shop", "blog")
    hang(fleet.children["blog"], "docs")
    await opened(fleet, "blog")
    heal(fleet.children["blog"], "docs")

    async def whole() -> bool:
        return not (await fleet.client.search("tent", options=SearchOptions(cache="off"))).partial

    await eventually(whole)


async def test_a_node_that_has_started_anew_is_innocent(fleet: Fleet) -> None:
    await start(fleet, "shop", "blog")
    hang(fleet.children["blog"], "docs")
    await opened(fleet, "blog")
    await fleet.stop_child("blog")
    await start(fleet, "blog")
    assert not client_of(fleet).health.breakers.is_open("blog")
    assert not (await fleet.client.search("tent", options=SearchOptions(cache="off"))).partial


async def test_a_search_one_node_after_the_other_finds_the_same(fleet: Fleet) -> None:
    names = ["shop", "blog", "crm"]
    await start(fleet, *names)
    most = now = 0
    for name in names:
        collection = fleet.children[name]._collections["docs"]  # type: ignore[index]
        search = collection.search

        async def watched(*words: Any, search: Any = search) -> Any:
            nonlocal most, now
            now += 1
            most = max(most, now)
            try:
                return await search(*words)
            finally:
                now -= 1

        collection.search = watched  # type: ignore[method-assign]
    whole = await fleet.client.search("tent", options=SearchOptions(cache="off"))
    most = 0
    found = await fleet.client.search("tent", options=SearchOptions(cache="off", max_parallel=1))
    assert (found.hits, statuses(found), most) == (whole.hits, statuses(whole), 1)


async def test_one_that_hangs_does_not_keep_its_place_from_the_others(fleet: Fleet) -> None:
    await fleet.start_child("big", {"docs": tents("big", 5)})
    await start(fleet, "small")
    for _ in range(3):
        await fleet.client.search("tent", options=SearchOptions(cache="off"))
    hang(fleet.children["big"], "docs")
    found = await fleet.client.search("tent", options=SearchOptions(cache="off", max_parallel=1), timeout_s=3.0)
    assert statuses(found) == {"big": "timeout", "small": "ok"}


async def test_a_late_answer_is_heard_by_whoever_wants_it(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    await fleet.start_child("big", {"docs": tents("big", 20)})
    await start(fleet, "small")
    for _ in range(3):
        await fleet.client.search("tent", options=SearchOptions(cache="off"))
    go, late = asyncio.Event(), list[tuple[str, SearchAnswer]]()
    collection = fleet.children["small"]._collections["docs"]  # type: ignore[index]
    search = collection.search

    async def slow(*words: Any) -> Any:
        await go.wait()
        return await search(*words)

    collection.search = slow  # type: ignore[method-assign]

    def received(ask: SearchRequest, node: str, response: ShardResponse) -> None:
        assert response.answer is not None
        late.append((node, response.answer))

    monkeypatch.setattr(client_of(fleet).late, "received", received)
    found = await fleet.client.search("tent", options=SearchOptions(cache="off"), timeout_s=20.0)
    assert statuses(found)["small"] == "timeout"
    go.set()
    await eventually(lambda: len(late) == 1)
    assert [(node, [one.id for one in answer.hits]) for node, answer in late] == [("small", ["small-0"])]


async def test_a_caller_that_gives_up_leaves_nothing_behind(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scatter, "LATE_S", 0.01)
    await start(fleet, "shop")
    hang(fleet.children["shop"], "docs")
    asking, ask = client_of(fleet), await _some_ask(fleet)
    searching = asyncio.create_task(asking.ask(["shop"], ask, 30.0, WaitingPolicy()))
    gatherer = asking.open_round.__self__  # type: ignore[attr-defined]
    await eventually(lambda: bool(gatherer._rounds))
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    assert not gatherer._rounds
    await eventually(lambda: not gatherer._late)


async def test_a_node_is_set_idle_and_back(fleet: Fleet) -> None:
    await start(fleet, "shop", "blog")
    await fleet.client.nodes.update(NodeUpdate(node="blog", state="maintenance"))
    found = await fleet.client.search("tent", options=SearchOptions(cache="off", partial="fail"))
    assert (statuses(found)["blog"], found.coverage) == ("not_selected", 1.0)


async def _some_ask(fleet: Fleet) -> SearchRequest:
    """What the master last asked of a node."""
    asks: list[SearchRequest] = []
    client = client_of(fleet)
    ask = client.ask

    def noting(nodes: Any, one: SearchRequest, *more: Any) -> Any:
        asks.append(one)
        return ask(nodes, one, *more)

    client.ask = noting  # type: ignore[method-assign]
    with contextlib.suppress(DeadlineExceeded):  # on a busy machine the answer is later than that
        await fleet.client.search("tent", options=SearchOptions(cache="off"), timeout_s=SHORT_S)
    del client.ask  # type: ignore[method-assign]
    return asks[0]


async def test_answers_that_come_late_make_the_whole_one_that_is_kept(fleet: Fleet) -> None:
    await fleet.start_child("big", {"docs": tents("big", 20)})
    await start(fleet, "small")
    for _ in range(3):
        await fleet.client.search("tent", options=SearchOptions(cache="off"))
    go = asyncio.Event()
    collection = fleet.children["small"]._collections["docs"]  # type: ignore[index]
    search = collection.search

    async def slow(*words: Any) -> Any:
        await go.wait()
        return await search(*words)

    collection.search = slow  # type: ignore[method-assign]
    assert (await fleet.client.search("tents", timeout_s=20.0)).partial
    go.set()

    async def kept() -> bool:
        return (await fleet.client.cache.stats()).memory_entries == 1

    await eventually(kept)  # and nobody has asked again
    whole = await fleet.client.search("tents")
    assert (whole.cached, whole.partial, statuses(whole)) == (True, False, {"big": "ok", "small": "ok"})
    asked = await fleet.client.search("tents", options=SearchOptions(cache="off"))
    assert [(hit.node, hit.id, hit.score) for hit in whole.hits] == [
        (hit.node, hit.id, hit.score) for hit in asked.hits
    ]
