"""A holder of the same documents is killed in the middle of searches: no hit is lost, and no answer is late."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from fleetfold.client import Client
from fleetfold.search_request import SearchOptions
from fleetfold_shared.messages import Searched
from support.fleet import Fleet, fleetfold, write_jsonl

pytestmark = pytest.mark.alone

TIMEOUT_S = 60.0
"""No search may need half of it: one that had nobody to stand in would wait for all of it."""

QUERIES = [f"a tent for {number} people" for number in range(12)]


async def searches(client: Client, stop: asyncio.Event) -> list[Searched]:
    """The answers of one after the other until `stop`."""
    found = list[Searched]()
    while not stop.is_set():
        query = QUERIES[len(found) % len(QUERIES)]
        found.append(await client.search(query, limit=50, timeout_s=TIMEOUT_S, options=SearchOptions(cache="off")))
    return found


async def test_a_holder_that_is_killed_costs_no_hit_and_no_answer_its_time(fleet: Fleet, tmp_path: Path) -> None:
    records = [{"id": f"p{number}", "text": f"a tent for {number} people"} for number in range(12)]
    file = write_jsonl(tmp_path / "products.jsonl", records)
    for name in ("north", "south"):
        await fleet.start_child(name, "--collection", f"products={file}", "--replica", "products=catalogue")
    async with await fleet.client() as client:
        whole = {
            query: (await client.search(query, limit=50, options=SearchOptions(cache="off"))).hits for query in QUERIES
        }
        stop = asyncio.Event()
        searching = [asyncio.create_task(searches(client, stop)) for _ in range(4)]
        (asked, _), *_ = Counter(hit.node for hits in whole.values() for hit in hits).most_common()
        await fleet.kill(asked)
        after = [
            await client.search(query, limit=50, timeout_s=TIMEOUT_S, options=SearchOptions(cache="off"))
            for query in QUERIES
        ]
        stop.set()
        answers = [one for found in await asyncio.gather(*searching) for one in found]

    assert {hit.node for answer in after for hit in answer.hits} == {"north", "south"} - {asked}
    for answer in answers:
        assert answer.took_ms < TIMEOUT_S * 1000 / 2
        assert not answer.partial
        assert [(hit.id, hit.score) for hit in answer.hits] == [(hit.id, hit.score) for hit in whole[answer.query]]


async def test_a_master_with_documents_of_its_own_answers_without_any_node(fleet: Fleet, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "notes.jsonl", [{"id": "n1", "text": "a tent for two"}])
    await fleet.stop("master")
    await fleet.start("master", "master", "--collection", f"notes={file}")
    assert fleet.ready("master")["documents"] == {"notes": 1}
    said = await fleetfold("search", "tent", "--json")
    assert (said.code, [(hit["node"], hit["id"]) for hit in said.json["hits"]]) == (0, [("master", "n1")])
