"""The drill: a backup under load, everything destroyed, a restore on an empty place, and the books balance."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fleetfold.client import Client
from fleetfold_broker.secret_file import replace
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import Rollback, StepSpec
from support.fleet import Fleet, Said, fleetfold, running_fleet, write_jsonl
from support.wait import eventually

NODES = ("shop", "blog")
PASSPHRASE = "correct horse battery"
QUERIES = ("granite heather", "a lantern in the scree", "marmot 17")
WORDS = ("granite", "heather", "lantern", "marmot", "scree")


@dataclass
class Load:
    """Work that flows until `stop`: transactions over both nodes, jobs and documents; and what was acknowledged."""

    client: Client
    transactions: dict[str, str] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        kinds = (self._transact, self._post, self._index)
        await asyncio.gather(*(self._repeat(one) for one in kinds for _ in range(3)))

    async def _repeat(self, one: Callable[[int], Awaitable[None]]) -> None:
        for number in count():
            if self.stop.is_set():
                return
            with suppress(FleetfoldError):  # the fleet is destroyed at the end
                await one(number)

    async def _transact(self, number: int) -> None:
        tx = f"tx-{id(asyncio.current_task())}-{number}"
        mood = "refuse" if number % 3 == 2 else "calm"
        ended = await self.client.transact([_entering(tx), _posting(tx, mood)], id=tx, timeout_s=30)
        self.transactions[tx] = ended.state

    async def _post(self, number: int) -> None:
        job = f"job-{id(asyncio.current_task())}-{number}"
        await self.client.run("post", {"tx": job}, nodes=["shop"], id=job)
        self.jobs.add(job)

    async def _index(self, number: int) -> None:
        key = f"{id(asyncio.current_task())}-{number}"
        given = {"collection": "flow", "documents": [{"id": key, "text": f"{WORDS[number % 5]} {key}"}]}
        await self.client.run("index", given, nodes=["blog"])
        self.documents.add(key)


def _entering(tx: str) -> StepSpec:
    rollback = Rollback(action="strike", params={"entry": "{{entry}}"})
    return StepSpec(name="enter", node="shop", action="enter", params={"tx": tx, "step": "enter"}, rollback=rollback)


def _posting(tx: str, mood: str) -> StepSpec:
    rollback = Rollback(action="withdraw", params={"tx": tx, "step": "post", "stage": 0})
    given = {"tx": tx, "step": "post", "mood": mood}
    return StepSpec(name="post", node="blog", action="post", params=given, rollback=rollback, depends_on=["enter"])


@pytest.mark.timeout(600)
async def test_a_fleet_that_was_destroyed_comes_back_from_its_backup(fleet: Fleet, tmp_path: Path) -> None:
    for name in NODES:
        await start_node(fleet, name, tmp_path)
    target, secret = str(tmp_path.with_name("backups")), tmp_path.with_name("passphrase")
    secret.write_text(PASSPHRASE)
    async with await fleet.client() as client:
        load = Load(client)
        flowing = asyncio.create_task(load.run())
        await eventually(lambda: len(load.transactions) > 10 and len(load.jobs) > 10 and len(load.documents) > 10)
        before = Load(client, dict(load.transactions), set(load.jobs), set(load.documents))
        answers = await answers_of(client)
        made = checked(await fleetfold("backup", "create", target, "--passphrase-file", str(secret), "--json"))
        then = len(load.transactions)
        await eventually(lambda: len(load.transactions) > then + 10)  # what no backup has
        await fleet.kill("master", *NODES, "broker")
        load.stop.set()
        flowing.cancel()
    assert made["parts"] == ["master", "nodes/blog", "nodes/shop"]
    checked(await fleetfold("backup", "verify", target, "--passphrase-file", str(secret), "--json"))
    for folder in ("master", "children", "keys", "broker"):
        shutil.rmtree(fleet.place / folder)

    words = ("backup", "restore", target, "--passphrase-file", str(secret), "--json")
    done = await fleetfold(*words)
    assert done.code in {0, 3}, done.err
    unknown = {(one["kind"], one["id"]) for one in done.json["unknown"]}
    await fleet.restart("broker", "master", *NODES)
    async with await fleet.client() as client:
        await books_balance(fleet, client, before, {tx for kind, tx in unknown if kind == "transaction"})
        assert await answers_of(client) == answers
        for key in before.documents:
            assert [hit.id for hit in (await client.search(key, collections=["flow"], limit=1)).hits] == [key]
        for job in before.jobs:
            assert (await client.jobs.get(job)).state == "ok"
        assert (await client.run("post", {"tx": "after"}, nodes=["shop"])).state == "ok"


async def start_node(fleet: Fleet, name: str, place: Path) -> None:
    """A node with the documents `still`, which stay as they are, and `flow`, which are indexed under load."""
    records = [{"id": f"{name}-{number}", "text": f"{WORDS[number % 5]} {name} {number}"} for number in range(40)]
    source = write_jsonl(place.with_name(f"{name}.jsonl"), records)
    await fleet.start_child(name, "--collection", f"still={source}", "--collection", "flow")


async def answers_of(client: Client) -> list[list[tuple[str, float]]]:
    """The answers to the queries over what stays as it is."""
    found = [await client.search(query, collections=["still"], limit=20) for query in QUERIES]
    assert not any(answer.partial for answer in found)
    return [[(hit.id, round(hit.score, 6)) for hit in answer.hits] for answer in found]


async def books_balance(fleet: Fleet, client: Client, before: Load, unknown: set[str]) -> None:
    """Every transaction that the master knows has ended and left all of its effects or none; each other is listed."""
    known = {tx.id: tx for tx in await client.transactions.list(1000)}
    ended = [await client.transactions.wait(tx, 60) for tx in known]
    assert {one.state for one in ended} <= {"committed", "rolled_back"}, [one.error for one in ended]
    assert {tx: known[tx].state for tx in before.transactions} == before.transactions
    effects = [row for name in NODES for row in fleet.effects(name) if row["tx"].startswith("tx-")]
    for one in ended:
        net = balance([row for row in effects if row["tx"] == one.id])
        assert net == ({"enter": 1, "post": 1} if one.state == "committed" else {}), (one.id, one.state, net)
    assert {row["tx"] for row in effects} - known.keys() <= unknown
    assert not unknown & known.keys()


def balance(effects: list[dict[str, Any]]) -> dict[str, int]:
    """What each step has done, less what was undone."""
    net: dict[str, int] = {}
    for row in effects:
        net[row["step"]] = net.get(row["step"], 0) + (1 if row["what"] == "do" else -1)
    return {step: times for step, times in net.items() if times}


def checked(said: Said) -> Any:
    assert said.code == 0, said.err
    return said.json


async def test_a_daemon_makes_the_backups_of_its_settings(nats_server: str, tmp_path: Path) -> None:
    settings, target = tmp_path / "fleet.toml", tmp_path / "backups"
    settings.write_text('[backup]\ntarget = "backups"\nevery_s = 86400\n[[children]]\nname = "shop"\n')
    async with running_fleet(tmp_path / "state") as fleet:
        replace(fleet.place / "master" / "backup.json", b'{"at": 1.0, "id": "long-ago"}')  # one was missed since
        await fleet.start("up", "up", "--port", "0", "--config", str(settings))
        await eventually(lambda: any(target.glob("backups/*/manifest.json")))
        [made] = checked(await fleetfold("backup", "list", str(target), "--json"))["backups"]
        assert (made["state"], made["parts"]) == ("complete", ["master", "nodes/shop"])

        async def result_is_kept() -> bool:
            return made["id"] in (fleet.place / "master" / "backup.json").read_text()

        await eventually(result_is_kept)
