"""A frozen child is replaced and wakes, with a search's answer and two commands' results in its hands: none counts."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from fleetfold.client import Client
from fleetfold.run_request import RunOptions
from fleetfold.search_request import SearchOptions
from fleetfold_shared.messages import Searched
from support.fleet import Fleet, write_jsonl
from support.twins import NAME, PLACE, TIMEOUT_S
from support.wait import eventually

HURRY_S = 4.0
"""The time of `hurry` in the first process: it must be frozen by then."""
SEARCH_S = 30.0


async def test_nothing_that_a_replaced_process_says_on_waking_counts(fleet: Fleet) -> None:
    first, second = fleet.place / "children" / "shop", fleet.place / "successor"
    await start(fleet, "first", first)
    async with await fleet.client() as client:
        jobs = [await client.run(each, id=each, nodes=["shop"], options=BOTH_TRIES, detach=True) for each in COMMANDS]
        await eventually(lambda: running(first) == len(COMMANDS))
        begun = asyncio.get_running_loop().time()
        fleet.freeze("shop")
        search = asyncio.create_task(search_titles(client))
        (fleet.place / "first.who").touch()  # its result is ready as soon as it wakes
        shutil.copytree(first, second)
        fleet.rename("shop", "replaced")
        await start(fleet, "second", second)
        await eventually(lambda: running(second) == len(COMMANDS))
        await asyncio.sleep(begun + HURRY_S - asyncio.get_running_loop().time())  # the time of `hurry` is over then
        fleet.thaw("replaced")

        assert "of the first" not in await search
        await eventually(lambda: fleet.has_ended("replaced"))
        assert [(await job.get()).state for job in jobs] == ["running", "running"]
        for each in COMMANDS:
            (fleet.place / f"second.{each}").touch()
        ended = [await job.result(timeout_s=60) for job in jobs]
        assert [(job.state, job.nodes[0].result) for job in ended] == [("ok", "second"), ("ok", "second")]
        told = await client.audit.list(node="shop", what="node.replaced")
        assert "another process has taken the name; it did not answer, and is cut off" in {each.reason for each in told}
    assert "another process has taken the name 'shop'" in (fleet.place / "shop.log").read_text()


COMMANDS = ("who", "hurry")
BOTH_TRIES = RunOptions(overall_s=120)


async def start(fleet: Fleet, name: str, data: Path) -> None:
    """Start a process of the child `shop`, whose one document says which process it is."""
    source = write_jsonl(fleet.place / f"{name}.jsonl", [{"id": "1", "title": f"a tent of the {name}"}])
    env = {**os.environ, NAME: name, PLACE: str(fleet.place), TIMEOUT_S: str(HURRY_S if name == "first" else 60.0)}
    words = ("child", "--name", "shop", "--actions", "support.twins:ACTIONS", "--collection", f"things={source}")
    await fleet.start("shop", *words, "--data", str(data), env=env)


def running(data: Path) -> int:
    """How many commands the process with that data is running now."""
    with closing(sqlite3.connect(data / "node.db")) as ledger:
        query = "SELECT count(*) FROM fleetfold_command WHERE state = 'running' AND incarnation <> ''"
        return int(ledger.execute(query).fetchone()[0])


async def search_titles(client: Client) -> str:
    """The titles that a search finds which waits for every node."""
    options = SearchOptions(partial="require", cache="off")
    found: Searched = await client.search("tent", timeout_s=SEARCH_S, options=options)
    return " ".join(hit.title for hit in found.hits)
