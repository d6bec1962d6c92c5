"""A batch by real processes, every one of which is killed in the middle: each line is done once."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, fleetfold, write_jsonl

LINES = 3000


async def start_batch(file: Path) -> Process:
    words = ["-m", "fleetfold", "run", "--from", str(file), "--batch-id", "b7", "--json"]
    return await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE)


async def read(batch: Process, lines: int) -> list[dict[str, Any]]:
    assert batch.stdout is not None
    return [json.loads(await batch.stdout.readline()) for _ in range(lines)]


@pytest.mark.long
async def test_a_batch_that_is_killed_with_all_around_it_is_resumed(fleet: Fleet, tmp_path: Path) -> None:
    await fleet.start_child("shop")
    params = [{"tx": "b7", "step": str(number)} for number in range(1, LINES + 1)]
    lines = [{"action": "enter", "node": "shop", "params": one} for one in params]
    file = write_jsonl(tmp_path / "lines.jsonl", lines)
    broken = await start_batch(file)
    await read(broken, 100)
    await fleet.kill("master", "shop")
    broken.kill()
    await broken.communicate()
    assert 100 <= len(fleet.effects("shop")) < LINES, "it was to be killed in the middle"
    await fleet.restart("master", "shop")
    resumed = await start_batch(file)
    told = await read(resumed, 1000)
    await fleet.kill("master")
    await fleet.restart("master")
    told += await asyncio.wait_for(read(resumed, LINES - 1000), 120)
    assert await resumed.wait() == 0
    assert sorted(line["line"] for line in told) == list(range(1, LINES + 1))
    assert {line["outcome"] for line in told} == {"ok"}
    assert Counter(effect["step"] for effect in fleet.effects("shop")) == {str(n): 1 for n in range(1, LINES + 1)}


async def test_the_expression_and_the_dry_run_of_the_command(fleet: Fleet) -> None:
    await fleet.start_child("shop", "--label", "role=shop")
    await fleet.start_child("blog")
    listed = await fleetfold("nodes", "list", "--where", "role=shop and has(action:doze)", "--json")
    assert [node["name"] for node in listed.json["nodes"]] == ["shop"]
    checked = await fleetfold("run", "--all", "doze", "seconds=0", "--dry-run", "--json")
    assert (checked.json["state"], [node["node"] for node in checked.json["nodes"]]) == ("checked", ["blog", "shop"])
    ran = await fleetfold("run", "--where", "role!=shop", "doze", "seconds=0", "--json")
    assert [node["node"] for node in ran.json["nodes"]] == ["blog"]
    none = await fleetfold("run", "--where", "rol=shop", "doze", "--json")
    assert (none.code, none.json["error"]["field"]) == (2, "where")
