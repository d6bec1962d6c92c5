"""Searches of 20 clients while nodes are killed, hung and slowed, and return: on time, without an error, and true.

`FLEETFOLD_CHAOS_SEARCHES=2000` for the full number, `FLEETFOLD_CHAOS_SEED` for another course of troubles.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from fleetfold.client import Client
from fleetfold.search_request import SearchOptions
from fleetfold_shared.messages import Searched
from support.chaos import Lag, Troubles
from support.fleet import running_fleet, write_jsonl
from support.wait import eventually

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SEARCHES = int(os.environ.get("FLEETFOLD_CHAOS_SEARCHES", "500"))
SEED = int(os.environ.get("FLEETFOLD_CHAOS_SEED", "1"))
CLIENTS = 20
CHILDREN = ("blog", "crm", "docs", "mail", "shop")
PAUSE_S = 0.3
"""Between two searches of a client, so that the troubles have time to come and go."""
TIMEOUT_S = 1.0
LATE_S = 0.25
"""How much over its deadline an answer may be."""
WORDS = ["tent", "gale", "stove", "snow", "rope", "ice", "lamp", "night", "map", "hills"]
THERE = {"ok", "partial"}
NOT_MISSING = {"ok", "no_collection", "not_selected"}


@dataclass(frozen=True, slots=True)
class Search:
    """One search as its client saw it."""

    began: float
    ended: float
    found: Searched


@dataclass(frozen=True, slots=True)
class Chaos:
    """What was done, and what came of it."""

    troubles: Troubles
    lag: Lag
    searches: list[Search]

    def late_s(self, one: Search) -> float:
        """How much over its deadline it was, but for what this process was late itself."""
        return one.ended - one.began - TIMEOUT_S - self.lag.within(one.began, one.ended)


async def searching(client: Client, number: int, count: int, troubles: Troubles) -> list[Search]:
    """So many searches, and more until there has been trouble of all kinds."""
    made: list[Search] = []
    while len(made) < count or not troubles.had_all:
        at = len(made)
        query = f"{WORDS[at % len(WORDS)]} {WORDS[(at + number) % len(WORDS)]} {number} {at}"
        began = time.monotonic()
        found = await client.search(query, limit=20, timeout_s=TIMEOUT_S, options=SearchOptions(cache="off"))
        made.append(Search(began, time.monotonic(), found))
        await asyncio.sleep(PAUSE_S)
    return made


async def whole(client: Client) -> bool:
    """After the troubles nobody stays left out."""
    return not (await client.search("tent", timeout_s=TIMEOUT_S, options=SearchOptions(cache="off"))).partial


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chaos(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chaos]:
    place = tmp_path_factory.mktemp("chaos")
    async with running_fleet(place) as fleet, AsyncExitStack() as opened:
        await fleet.start_core()
        for name in CHILDREN:
            records = [{"id": f"{name}-{at}", "text": f"{WORDS[at % 10]} {WORDS[at // 10 % 10]}"} for at in range(100)]
            await fleet.start_child(name, "--collection", f"things={write_jsonl(place / f'{name}.jsonl', records)}")
        clients = [await opened.enter_async_context(await fleet.client()) for _ in range(CLIENTS)]
        troubles, lag = Troubles(fleet, CHILDREN, SEED), Lag()
        watching, plaguing = asyncio.create_task(lag.run()), asyncio.create_task(troubles.run())
        try:
            made = await asyncio.gather(
                *(searching(client, number, SEARCHES // CLIENTS, troubles) for number, client in enumerate(clients))
            )
        finally:
            troubles.stop.set()
            await plaguing
            watching.cancel()
        await eventually(lambda: whole(clients[0]), 30.0)
        yield Chaos(troubles, lag, [one for each in made for one in each])


async def test_there_was_trouble_of_all_kinds(chaos: Chaos) -> None:
    statuses = Counter(report.status for one in chaos.searches for report in one.found.nodes)
    assert len(chaos.searches) >= SEARCHES // CLIENTS * CLIENTS
    assert chaos.troubles.had_all
    assert statuses["ok"]
    assert statuses["unreachable"]
    assert statuses["timeout"] + statuses["open"]


async def test_no_search_exceeds_its_deadline(chaos: Chaos) -> None:
    late = {chaos.late_s(one): one for one in chaos.searches}
    worst = late[max(late)]
    assert max(late) <= LATE_S, (worst.ended - worst.began, worst.found.took_ms, worst.found.nodes)


async def test_who_is_reported_ok_was_there(chaos: Chaos) -> None:
    for one in chaos.searches:
        for report in one.found.nodes:
            if report.status in THERE:
                assert not chaos.troubles.was_away(report.node, one.began, one.ended), report


async def test_hits_come_only_from_nodes_that_have_answered(chaos: Chaos) -> None:
    for one in chaos.searches:
        counts = {report.node: report.count for report in one.found.nodes if report.status in THERE}
        assert {hit.node for hit in one.found.hits} <= counts.keys()
        assert one.found.hits or not any(counts.values())


async def test_partial_and_coverage_fit_the_reports(chaos: Chaos) -> None:
    for one in chaos.searches:
        reports = one.found.nodes
        assert {report.node for report in reports} == set(CHILDREN)
        assert one.found.partial == any(report.status not in NOT_MISSING for report in reports)
        expected = sum(report.expected for report in reports)
        answered = sum(report.expected for report in reports if report.status == "ok")
        assert one.found.coverage == pytest.approx(answered / expected)
        assert expected == pytest.approx(1.0)
