"""Searches while a child dies and returns: on time, the others' hits untouched, the truth about who is missing.

All of them ask: a cached answer would not notice.
"""

from __future__ import annotations

import asyncio

import pytest

from fleetfold.client import Client
from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Searched
from support.fleet import Fleet
from support.wait import eventually

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="module")]

TIMEOUT_S, LONG_S = 1.0, 60.0
"""The deadline of a search that is to miss somebody, and one that nobody may need."""


async def searches(client: Client, stop: asyncio.Event) -> list[Searched]:
    """The answers of one search after the other until `stop`."""
    found = list[Searched]()
    while not stop.is_set():
        found.append(
            await client.search("a tent in a gale", options=SearchOptions(cache="off"), limit=12, timeout_s=LONG_S)
        )
    return found


async def _all_are_back(client: Client) -> bool:
    try:
        return all(node.healthy for node in await client.nodes.list())
    except Unavailable:
        return False


def hits_of(answer: Searched, node: str) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in answer.hits if hit.node == node]


async def test_a_child_that_dies_costs_its_own_hits_and_nothing_else(shared_fleet: Fleet) -> None:
    async with await shared_fleet.client() as client:
        whole = await client.search("a tent in a gale", options=SearchOptions(cache="off"), limit=12)
        assert not whole.partial
        stop = asyncio.Event()
        searching = [asyncio.create_task(searches(client, stop)) for _ in range(2)]
        await shared_fleet.kill("blog")
        missing = await client.search(
            "a tent in a gale", options=SearchOptions(cache="off"), limit=12, timeout_s=LONG_S
        )
        await shared_fleet.restart("blog")
        back = await client.search("a tent in a gale", options=SearchOptions(cache="off"), limit=12, timeout_s=LONG_S)
        stop.set()
        answers = [one for found in await asyncio.gather(*searching) for one in found]

    assert (missing.partial, back.partial) == (True, False)
    assert hits_of(back, "blog") == hits_of(whole, "blog")
    assert len(answers) > 20
    for answer in answers:
        statuses = {report.node: report.status for report in answer.nodes}
        assert statuses["shop"] == "ok"
        assert hits_of(answer, "shop") == hits_of(whole, "shop")
        assert statuses["blog"] in {"ok", "unreachable"}  # and no "timeout": it costs nobody the deadline
        assert answer.partial == (statuses["blog"] != "ok")
        assert bool(hits_of(answer, "blog")) == (statuses["blog"] == "ok")


async def test_a_child_that_hangs_costs_the_deadline_and_its_own_hits(shared_fleet: Fleet) -> None:
    async with await shared_fleet.client() as client:
        whole = await client.search("a tent in a gale", options=SearchOptions(cache="off"), limit=12)
        shared_fleet.freeze("blog")
        together = await asyncio.gather(
            *(
                client.search("a tent in a gale", options=SearchOptions(cache="off"), limit=12, timeout_s=TIMEOUT_S)
                for _ in range(10)
            )
        )
        shared_fleet.thaw("blog")  # they have all been answered while it hung
        for answer in together:
            assert {report.node: report.status for report in answer.nodes} == {"blog": "timeout", "shop": "ok"}
            assert hits_of(answer, "shop") == hits_of(whole, "shop")
            assert hits_of(answer, "blog") == []


async def test_searches_go_on_when_the_broker_and_the_master_are_back(shared_fleet: Fleet) -> None:
    async with await shared_fleet.client() as client:
        whole = await client.search("a tent in a gale", options=SearchOptions(cache="off"), limit=12)
        await shared_fleet.kill("master", "broker")
        await shared_fleet.restart("broker", "master")
        await eventually(lambda: _all_are_back(client))
        again = await client.search("a tent in a gale", options=SearchOptions(cache="off"), limit=12)
    for node in ("blog", "shop"):
        assert hits_of(again, node) == hits_of(whole, node)
    assert not again.partial
