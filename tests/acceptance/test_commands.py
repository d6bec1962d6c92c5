"""The commands as scripts use them: what their JSON holds, and what their exit codes say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fleetfold_shared.errors import Unavailable
from support.fleet import Fleet, fleetfold, running_fleet, write_jsonl
from support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNDO = {"action": "strike", "params": {"entry": "{{entry}}"}}


def transaction(place: Path, tx: str, *moods: str) -> str:
    """A file of one step for each mood, on `shop` and `blog` in turn."""
    steps = [
        {
            "name": f"step_{number}", "node": ("shop", "blog")[number % 2], "action": "enter", "rollback": UNDO,
            "params": {"tx": tx, "step": f"step_{number}", "stage": number, "mood": mood},
        }
        for number, mood in enumerate(moods)
    ]  # fmt: skip
    file = place / f"{tx}.json"
    file.write_bytes(msgspec.json.encode({"name": tx, "steps": steps}))
    return str(file)


async def test_up_is_a_fleet_that_commands_find(nats_server: str, tmp_path: Path) -> None:
    async with running_fleet(tmp_path) as fleet:
        await fleet.start("up", "up", "--port", "0")
        source = write_jsonl(tmp_path / "docs.jsonl", [{"id": "1", "text": "a tent for a gale"}])
        await fleet.start_child("shop", "--collection", f"things={source}")
        found = await fleetfold("search", "tent", "--json")
        assert found.code == 0, found
        assert [hit["id"] for hit in found.json["hits"]] == ["1"]
        assert (await fleetfold("run", "shop", "doze", "seconds=0")).code == 0
        await fleet.stop("shop")
        await fleet.stop("up")
        assert (await fleetfold("nodes", "list")).code == 1


async def test_search_prints_exactly_what_is_documented(shared_fleet: Fleet) -> None:
    found = await fleetfold("search", "a tent in a gale", "--limit", "3", "--json")
    assert found.code == 0, found
    fields = [
        "query",
        "hits",
        "nodes",
        "total",
        "took_ms",
        "partial",
        "cursor",
        "changed",
        "facets",
        "coverage",
        "cached",
        "age_s",
        "notes",
    ]
    assert list(found.json) == fields
    assert (found.json["total"], found.json["partial"]) == (3, False)
    assert {hit["node"] for hit in found.json["hits"][:2]} == {"shop", "blog"}
    for hit in found.json["hits"]:
        assert list(hit)[:7] == ["node", "collection", "id", "score", "parts", "title", "content"]
        assert hit["parts"].keys() == {"bm25", "cosine"}
    for node in found.json["nodes"]:
        assert list(node)[:4] == ["node", "status", "count", "ms"]
        assert node["status"] == "ok"


async def test_search_narrows_by_node_threshold_and_filter(shared_fleet: Fleet) -> None:
    only = (await fleetfold("search", "tent", "--node", "blog", "--json")).json
    assert {hit["node"] for hit in only["hits"]} == {"blog"}
    best = (await fleetfold("search", "tent", "--threshold", "0.3", "--json")).json
    assert 0 < len(best["hits"]) < 12
    assert all(hit["score"] >= 0.3 for hit in best["hits"])
    one = '{"field": "id", "op": "eq", "value": "shop-0"}'
    found = (await fleetfold("search", "tent", "--filter", one, "--json")).json
    assert [hit["id"] for hit in found["hits"]] == ["shop-0"]


async def test_a_run_ends_0_1_or_3_by_how_many_nodes_did_it(shared_fleet: Fleet) -> None:
    done = await fleetfold("run", "--all", "enter", "tx=everywhere", "--json")
    assert (done.code, done.json["state"]) == (0, "ok")
    assert {node["node"]: node["outcome"] for node in done.json["nodes"]} == {"blog": "ok", "shop": "ok"}
    failed = await fleetfold("run", "--all", "enter", "tx=nowhere", "mood=refuse", "--json")
    assert (failed.code, failed.json["state"]) == (1, "failed")
    assert {node["error"] for node in failed.json["nodes"]} == {"not today"}
    entry = done.json["nodes"][0]["result"]["entry"]
    partly = await fleetfold("run", "blog,shop", "strike", f"entry={entry}", "--json")
    assert (partly.code, partly.json["state"]) == (3, "partly")


async def test_a_detached_run_is_looked_up_by_its_id(shared_fleet: Fleet) -> None:
    begun = await fleetfold("run", "shop", "enter", "tx=detached", "seconds=0.5", "--detach", "--id", "my-job")
    assert (begun.code, begun.out) == (0, "my-job\n")
    again = await fleetfold("run", "shop", "enter", "tx=detached", "seconds=0.5", "--id", "my-job", "--json")
    assert (again.code, again.json["state"]) == (0, "ok")
    assert (await fleetfold("jobs", "show", "my-job", "--json")).json == again.json
    assert "my-job" in [job["id"] for job in (await fleetfold("jobs", "list", "--json")).json["jobs"]]
    assert [row["tx"] for row in shared_fleet.effects("shop")].count("detached") == 1


async def test_a_transaction_ends_0_when_committed_and_9_when_rolled_back(shared_fleet: Fleet) -> None:
    good = await fleetfold("tx", "run", transaction(shared_fleet.place, "good", "calm", "calm"), "--json")
    assert (good.code, good.json["state"]) == (0, "committed")
    bad = await fleetfold("tx", "run", transaction(shared_fleet.place, "bad", "calm", "calm", "refuse"), "--json")
    assert (bad.code, bad.json["state"]) == (9, "rolled_back")
    assert [step["state"] for step in bad.json["steps"]] == ["compensated", "compensated", "failed"]
    assert (await fleetfold("tx", "show", bad.json["id"], "--json")).json == bad.json
    listed = (await fleetfold("tx", "list", "--json")).json["transactions"]
    assert [tx["id"] for tx in listed[:2]] == [bad.json["id"], good.json["id"]]
    whats = [row["what"] for child in ("shop", "blog") for row in shared_fleet.effects(child) if row["tx"] == "bad"]
    assert sorted(whats) == ["do", "do", "undo", "undo"]


async def test_results_too_long_for_one_message_do_not_hide_how_it_ended(shared_fleet: Fleet) -> None:
    steps = [
        {"name": f"s{number}", "node": "shop", "action": "tell", "params": {"size": 250_000}} for number in range(5)
    ]
    file = shared_fleet.place / "long.json"
    file.write_bytes(msgspec.json.encode({"steps": steps}))
    long = await fleetfold("tx", "run", str(file), "--json")
    assert (long.code, long.json["state"]) == (0, "committed")
    assert {step["state"] for step in long.json["steps"]} == {"done"}
    assert long.json["steps"][0]["result"] == {"left_out_bytes": 250_002}
    assert (await fleetfold("tx", "list", "--json")).json["transactions"][0]["state"] == "committed"


async def test_nodes_are_listed_shown_pinged_and_counted(shared_fleet: Fleet) -> None:
    listed = (await fleetfold("nodes", "list", "--json")).json["nodes"]
    assert [(node["name"], node["state"], node["healthy"]) for node in listed] == [
        ("blog", "active", True), ("shop", "active", True),
    ]  # fmt: skip
    assert (await fleetfold("nodes", "show", "shop", "--json")).json["description"]["type"] == "shop"
    pinged = await fleetfold("nodes", "ping", "--json")
    assert pinged.code == 0
    assert all(ms > 0 for ms in pinged.json["ms"].values())
    stats = (await fleetfold("nodes", "stats", "--json")).json
    assert (stats["total"], stats["healthy"], stats["documents"]) == (2, 2, 12)
    assert stats["by_state"] == {"active": 2}
    assert stats["by_type"] == {"shop": 1, "blog": 1}
    assert stats["mean_response_ms"] > 0


async def test_a_killed_child_costs_its_own_part_and_is_taken_in_again_at_once(shared_fleet: Fleet) -> None:
    await shared_fleet.kill("blog")
    found = await fleetfold("search", "tent", "--json")
    assert (found.code, found.json["partial"]) == (3, True)
    assert {node["node"]: node["status"] for node in found.json["nodes"]} == {"blog": "unreachable", "shop": "ok"}
    assert {hit["node"] for hit in found.json["hits"]} == {"shop"}
    assert (await fleetfold("nodes", "ping")).code == 3
    assert (await fleetfold("nodes", "ping", "blog")).code == 1
    partly = await fleetfold("run", "--all", "doze", "seconds=0", "--timeout", "2", "--json")
    assert (partly.code, partly.json["state"]) == (3, "partly")
    assert {node["node"]: node["outcome"] for node in partly.json["nodes"]} == {"blog": "unreachable", "shop": "ok"}

    await shared_fleet.restart("blog")
    back = await fleetfold("search", "tent", "--json")
    assert (back.code, back.json["partial"]) == (0, False), back.json["nodes"]
    assert {hit["node"] for hit in back.json["hits"]} == {"shop", "blog"}


async def test_what_a_dead_child_missed_is_done_when_it_is_back_and_the_job_says_so(shared_fleet: Fleet) -> None:
    await shared_fleet.kill("blog")
    await fleetfold("nodes", "ping")
    missed = await fleetfold("run", "blog", "enter", "tx=missed", "--timeout", "1", "--id", "missed", "--json")
    assert (missed.code, missed.json["nodes"][0]["outcome"]) == (5, "unreachable")
    await shared_fleet.restart("blog")
    async with await shared_fleet.client() as client:

        async def is_done() -> bool:
            return (await client.jobs.get("missed")).state == "ok"

        await eventually(is_done)
    assert [row["tx"] for row in shared_fleet.effects("blog")].count("missed") == 1


async def test_a_search_is_whole_without_a_node_that_was_stopped(shared_fleet: Fleet) -> None:
    await shared_fleet.stop("blog")
    found = await fleetfold("search", "tent", "--json")
    reports = {node["node"]: node["status"] for node in found.json["nodes"]}
    assert (found.code, reports) == (0, {"shop": "ok", "blog": "stopped"})
    assert (await fleetfold("search", "tent", "--node", "blog", "--node", "shop")).code == 3
    assert (await fleetfold("search", "tent", "--partial", "require")).code == 3
    assert (await fleetfold("search", "tent", "--partial", "fail")).code == 1
    listed = await fleetfold("nodes", "list")
    assert "`fleetfold nodes remove NAME` retires" in listed.out
    await shared_fleet.restart("blog")
    assert (await fleetfold("search", "tent", "--partial", "fail")).code == 0


async def test_a_removed_node_is_gone_and_its_name_may_return_by_invitation(shared_fleet: Fleet) -> None:
    await shared_fleet.stop("blog")
    assert (await fleetfold("nodes", "remove", "blog", "--json")).json == {"node": "blog", "removed": True}
    found = await fleetfold("search", "tent", "--json")
    assert (found.code, [node["node"] for node in found.json["nodes"]]) == (0, ["shop"])
    assert (await fleetfold("run", "blog", "doze")).code == 2
    listed = (await fleetfold("nodes", "list", "--removed", "--json")).json["nodes"]
    assert {node["name"]: node["state"] for node in listed} == {"blog": "removed", "shop": "active"}

    with pytest.raises(Unavailable, match="fleetfold nodes invite blog"):
        await shared_fleet.restart("blog")
    token = shared_fleet.place / "token"
    token.write_text((await fleetfold("nodes", "invite", "blog")).out)
    source = f"things={shared_fleet.place / 'blog.jsonl'}"
    await shared_fleet.start_child("blog", "--type", "blog", "--collection", source, "--join-file", str(token))
    assert (await fleetfold("run", "blog", "enter", "tx=returned")).code == 0
    assert {hit["node"] for hit in (await fleetfold("search", "tent", "--json")).json["hits"]} == {"shop", "blog"}


async def test_jobs_and_transactions_outlive_their_master(shared_fleet: Fleet) -> None:
    before = await fleetfold("run", "shop", "enter", "tx=before", "--id", "before", "--json")
    file = transaction(shared_fleet.place, "lasting", "calm", "calm")
    view = await fleetfold("tx", "run", file, "--id", "lasting", "--json")
    await shared_fleet.kill("master")
    assert (await fleetfold("nodes", "list")).code == 1
    await shared_fleet.restart("master")
    assert (await fleetfold("jobs", "show", "before", "--json")).json == before.json
    assert (await fleetfold("tx", "show", "lasting", "--json")).json == view.json
    assert (await fleetfold("tx", "run", file, "--id", "lasting", "--json")).json == view.json
    assert [row["tx"] for row in shared_fleet.effects("shop")].count("lasting") == 1


async def test_a_new_master_searches_all_its_nodes_at_once(shared_fleet: Fleet) -> None:
    await shared_fleet.kill("master")
    await shared_fleet.restart("master")
    found = await fleetfold("search", "tent", "--json")
    assert (found.code, found.json["partial"]) == (0, False), found.json["nodes"]


async def test_a_frozen_child_costs_the_deadline_and_is_said_to_be_late(shared_fleet: Fleet) -> None:
    shared_fleet.freeze("blog")
    found = await fleetfold("search", "tent", "--timeout", "1", "--cache", "off", "--json")
    shared_fleet.thaw("blog")
    assert (found.code, found.json["partial"]) == (3, True)
    assert {node["node"]: node["status"] for node in found.json["nodes"]} == {"blog": "timeout", "shop": "ok"}
    assert {hit["node"] for hit in found.json["hits"]} == {"shop"}
