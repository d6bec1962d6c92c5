"""What cannot be done is refused at once: one line that says what to do, an exit code, no traceback, and no hang."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from support.fleet import Fleet, Said, fleetfold, python, running_fleet

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAIN = """
import json, pathlib, sys
from fleetfold_cli import main
sys.exit(main(json.loads(pathlib.Path(sys.argv[1]).read_bytes())))
"""


MISTAKES = {
    "unknown node to run on": (["run", "shp", "doze"], ["shp", "blog, shop"]),
    "unknown node to search": (["search", "tent", "--node", "shp"], ["shp", "blog, shop"]),
    "unknown node to show": (["nodes", "show", "shp"], ["shp", "blog, shop"]),
    "unknown action": (["run", "shop", "dooze"], ["dooze", "doze", "post"]),
    "unknown action everywhere": (["run", "--all", "dooze"], ["dooze", "nodes show"]),
    "missing parameter": (["run", "shop", "post"], ["tx"]),
    "mistyped parameter": (["run", "shop", "post", "tx=a", "seconds=soon"], ["seconds", "number"]),
    "parameter of no allowed value": (["run", "shop", "post", "tx=a", "mood=glum"], ["mood", "calm"]),
    "unknown parameter": (["run", "shop", "post", "tx=a", "colour=red"], ["colour"]),
    "parameter without a value": (["run", "shop", "post", "tx"], ["key=value"]),
    "limit of 0": (["search", "tent", "--limit", "0"], ["limit", "100"]),
    "limit of 101": (["search", "tent", "--limit", "101"], ["limit", "100"]),
    "limit that is no number": (["search", "tent", "--limit", "many"], ["limit", "many"]),
    "empty query": (["search", ""], ["query"]),
    "blank query": (["search", "  "], ["query"]),
    "filter that is not JSON": (["search", "tent", "--filter", "price<50"], ["filter", "JSON"]),
    "filter of an unknown operator": (
        ["search", "tent", "--filter", '{"field": "price", "op": "under", "value": 5}'], ["filter", "op"],
    ),
    "filter of an unknown key": (["search", "tent", "--filter", '{"feild": "price"}'], ["filter", "feild"]),
    "filter of nothing": (["search", "tent", "--filter", "{}"], ["filter"]),
    "unknown job": (["jobs", "show", "nosuch"], ["nosuch", "jobs list"]),
    "unknown transaction": (["tx", "show", "nosuch"], ["nosuch"]),
    "transaction file that is not there": (["tx", "run", "nosuch.toml"], ["nosuch.toml", "No such file"]),
}  # fmt: skip


async def refused(*words: str, code: int) -> str:
    """Run a command that is to be refused; the line it says."""
    said = await fleetfold(*words)
    assert said.code == code, said
    assert said.out == ""
    assert "Traceback" not in said.err
    return last_line(said)


def last_line(said: Said) -> str:
    """The refusal; a daemon may have logged before it, and nothing else is said."""
    *before, line = said.err.splitlines()
    assert line.startswith("fleetfold: "), said.err
    assert all(other.startswith("{") for other in before), said.err
    return line


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_named_in_one_line(shared_fleet: Fleet, mistake: str) -> None:
    words, hints = MISTAKES[mistake]
    line = await refused(*words, code=2)
    assert [hint for hint in hints if hint.lower() not in line.lower()] == [], line


@pytest.mark.parametrize("mistake", ["unknown node to run on", "limit of 0", "missing parameter"])
async def test_a_script_gets_the_refusal_as_a_document(shared_fleet: Fleet, mistake: str) -> None:
    words, _ = MISTAKES[mistake]
    said = await fleetfold(*words, "--json")
    assert said.code == 2
    assert said.json["error"].keys() == {"code", "message", "field"}
    assert said.json["error"]["message"] in last_line(said)


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(shared_fleet: Fleet) -> None:
    records = [{"id": str(number), "text": "x" * 1000} for number in range(1100)]
    ask = f"documents:={msgspec.json.encode(records).decode()}"
    said = await from_a_file(shared_fleet, ["run", "shop", "index", "collection=things", ask])
    assert said.code == 2, said.err[:500]
    assert "Traceback" not in said.err
    assert "limit of 1,048,576" in last_line(said)


async def from_a_file(fleet: Fleet, words: list[str]) -> Said:
    """Run the command with words longer than the 128 KiB that the kernel lets one have."""
    file = fleet.place / "words.json"
    file.write_bytes(msgspec.json.encode(words))
    return await python("-c", MAIN, str(file))


@pytest.mark.parametrize("at_length", [0, 2_000_000])
async def test_a_raising_handler_answers_its_caller_at_once(at_length: int, shared_fleet: Fleet) -> None:
    words = ["run", "shop", "stumble", f"at_length={at_length}", "--timeout", "3600"]  # an hour is not waited for here
    said = await fleetfold(*words, "--json")
    assert said.code == 1
    [node] = said.json["nodes"]
    assert node["outcome"] == "failed"
    assert "the divisor was nought" in node["error"]
    assert "Traceback" not in said.err


async def test_a_malformed_line_is_numbered_and_the_node_is_up_with_the_others(shared_fleet: Fleet) -> None:
    source = shared_fleet.place / "bad.jsonl"
    source.write_text('{"id": "1", "text": "one"}\n{"id": "2", "text": "two"}\n{"id": "3", "text": \n')
    await shared_fleet.start("bad", "child", "--name", "bad", "--collection", f"things={source}")
    ready = shared_fleet.ready("bad")
    assert (ready["documents"], ready["sources"]["things"]["left_out"]) == ({"things": 2}, 1)
    assert ready["sources"]["things"]["note"].startswith(f"{source}:3: ")


async def test_a_source_that_is_not_there_is_named(shared_fleet: Fleet) -> None:
    source = shared_fleet.place / "nosuch.jsonl"
    line = await refused("child", "--name", "none", "--collection", f"things={source}", code=2)
    assert str(source) in line
    assert "no such file" in line


async def test_actions_that_are_not_there_are_named(shared_fleet: Fleet) -> None:
    line = await refused("child", "--name", "none", "--actions", "nosuch.module:ACTIONS", code=2)
    assert "nosuch.module" in line


async def test_a_port_in_use_is_refused(shared_fleet: Fleet) -> None:
    port = shared_fleet.url.rpartition(":")[2]
    store = str(shared_fleet.place / "second-broker")
    line = await refused("broker", "--port", port, "--store", store, code=1)
    assert port in line
    assert "--port" in line


async def test_a_second_broker_on_one_store_is_refused(shared_fleet: Fleet) -> None:
    line = await refused("broker", "--port", "0", "--store", str(shared_fleet.place / "broker"), code=1)
    assert str(shared_fleet.place / "broker") in line


async def test_a_second_master_on_one_data_directory_is_refused(shared_fleet: Fleet) -> None:
    line = await refused("master", code=1)
    assert str(shared_fleet.place / "master") in line
    assert (await fleetfold("nodes", "list")).code == 0


async def test_a_living_nodes_name_is_refused_and_the_node_stays(shared_fleet: Fleet) -> None:
    data = str(shared_fleet.place / "elsewhere")
    line = await refused("child", "--name", "shop", "--data", data, code=1)
    assert "shop" in line
    assert (await fleetfold("nodes", "ping", "shop")).code == 0
    assert (await fleetfold("run", "shop", "doze", "seconds=0")).code == 0


async def test_a_second_child_on_one_data_directory_is_refused_and_the_first_stays(shared_fleet: Fleet) -> None:
    data = shared_fleet.place / "children" / "shop"
    line = await refused("child", "--name", "shop-two", "--data", str(data), code=1)
    assert str(data) in line
    assert (await fleetfold("search", "tent", "--node", "shop")).code == 0
    assert (await fleetfold("nodes", "show", "shop-two")).code == 2


async def test_a_broker_that_is_not_running_is_named(shared_fleet: Fleet) -> None:
    url = "nats://127.0.0.1:1"
    commands = [["nodes", "list"], ["search", "tent"], ["run", "shop", "doze", "seconds=0"]]
    for line in await asyncio.gather(*(refused(*words, "--url", url, code=1) for words in commands)):
        assert "127.0.0.1:1" in line


async def test_no_fleet_at_all_says_how_to_start_one(nats_server: str, tmp_path: Path) -> None:
    async with running_fleet(tmp_path) as fleet:
        for words in (["nodes", "list"], ["search", "tent"], ["master"], ["child", "--name", "alone"]):
            assert "fleetfold up" in await refused(*words, code=1)
        await fleet.start("broker", "broker", "--port", "0")
        for words in (["nodes", "list"], ["search", "tent"], ["run", "shop", "doze"]):
            assert "fleetfold master" in await refused(*words, code=1)
