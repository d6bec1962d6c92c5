"""Transactions by their name, followed while their master is killed: the command's own processes."""

from __future__ import annotations

from contextlib import aclosing

import msgspec
import pytest

from fleetfold_shared.messages import TimelineEntry, TransactionView
from support.fleet import Fleet, fleetfold

pytestmark = pytest.mark.asyncio(loop_scope="module")

YAML = """
name: books
inputs: { tag: str, seconds: { type: number, default: 0 } }
steps:
  - { name: a, node: shop, action: enter, params: { tx: "{{inputs.tag}}", step: a, seconds: "{{inputs.seconds}}" },
      rollback: { action: strike, params: { entry: "{{entry}}" } } }
  - { name: b, node: blog, action: enter, params: { tx: "{{steps.a.entry}}", step: "b of {{inputs.tag}}" } }
"""


async def test_a_definition_is_kept_run_and_removed(shared_fleet: Fleet) -> None:
    file = shared_fleet.place / "books.yaml"
    file.write_text(YAML)
    stored = await fleetfold("definitions", "put", str(file), "--json")
    assert (stored.code, stored.json["version"], stored.json["warnings"]) == (0, 1, [])
    done = await fleetfold("tx", "run", "books", "tag=kept", "--json")
    assert (done.code, done.json["state"], done.json["definition"]) == (0, "committed", "books@1")
    ad_hoc = await fleetfold("tx", "run", str(file), "tag=ad_hoc", "--json")
    assert (ad_hoc.code, ad_hoc.json["definition"]) == (0, None)
    assert [row["tx"] for row in shared_fleet.effects("shop")] == ["kept", "ad_hoc"]
    wrong = await fleetfold("tx", "run", "books", "tag:=7", "--json")
    assert (wrong.code, wrong.json["error"]["field"]) == (2, "inputs.tag")
    assert (await fleetfold("definitions", "remove", "books")).out == "books removed, 1 version\n"
    assert (await fleetfold("definitions", "show", "books")).code == 2
    assert (await fleetfold("tx", "run", "books", "tag=kept")).code == 2


async def test_what_happens_is_told_once_though_the_master_is_killed(shared_fleet: Fleet) -> None:
    file = shared_fleet.place / "books.yaml"
    file.write_text(YAML)
    begun = await fleetfold("tx", "run", str(file), "tag=slow", "seconds=3", "--detach", "--id", "slow")
    assert begun.out == "slow\n"
    heard: list[TimelineEntry | TransactionView] = []
    async with await shared_fleet.client() as client, aclosing(client.transactions.follow("slow")) as news:
        async for one in news:
            heard.append(one)
            if len(heard) == 1:
                await shared_fleet.kill("master")
                await shared_fleet.restart("master")
    *entries, ended = heard
    assert isinstance(ended, TransactionView)
    assert (ended.state, ended.timeline) == ("committed", entries)
    told = await fleetfold("tx", "follow", "slow", "--json")
    lines = [msgspec.json.decode(line) for line in told.out.splitlines()]
    assert (told.code, len(lines), lines[-1]["transaction"]["state"]) == (0, len(heard), "committed")
