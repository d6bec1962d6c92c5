"""Actions that end their process, under `fleetfold child` and a supervisor that starts it again when it has ended."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, Process

import pytest

from fleetfold_shared.messages import Outcome
from support.fleet import Fleet, fleetfold
from support.wait import eventually

CHILD = ("child", "--name", "shop", "--actions", "support.deadly:ACTIONS")
LONG_S = 600.0


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fleetfold", *CHILD, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )


@pytest.mark.parametrize(
    ("how", "outcome", "deaths"),
    [("sys.exit", "failed", 0), ("exit in a callback", "unknown", 5)],
)
async def test_five_deaths_are_enough(fleet: Fleet, how: str, outcome: Outcome, deaths: int) -> None:
    child, died = await _start(), 0
    async with await fleet.client() as client:

        async def is_there() -> bool:
            return [node.name for node in await client.nodes.list() if node.healthy] == ["shop"]

        await eventually(is_there)
        job = await client.run("end", {"how": how}, nodes=["shop"], detach=True, timeout_s=LONG_S)
        ended = asyncio.create_task(client.jobs.wait(job.id, LONG_S))
        while not ended.done():
            exit_ = asyncio.create_task(child.wait())
            await asyncio.wait([ended, exit_], return_when=asyncio.FIRST_COMPLETED)
            if exit_.done() and not ended.done():
                child, died = await _start(), died + 1
        [node] = (await ended).nodes
        assert (node.outcome, died) == (outcome, deaths), node
        assert child.returncode is None, "it lives on"
        child.terminate()
        await child.wait()
    told = await fleetfold("node-audit", "--data", str(fleet.place / "children" / "shop"), "--json")
    assert [(entry["outcome"], entry["starts"]) for entry in told.json["entries"]] == [(outcome, max(1, deaths))]
