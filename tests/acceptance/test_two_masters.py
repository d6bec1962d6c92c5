"""Two masters over one database, each killed and frozen in turn in the middle of transactions and jobs.

What happened is read from the children's books. The other master drives on within three seconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from fleetfold.client import Client
from fleetfold_master.cluster.membership import HEARTBEAT_S
from fleetfold_shared.messages import Job, Rollback, StepSpec, TransactionView
from support.fleet import Fleet
from support.storm import CHILDREN, Effect
from support.wait import eventually

pytestmark = pytest.mark.alone

TAKEOVER_S = 3.0
MASTERS = ("master", "second")
TRANSACTIONS, JOBS = 12, 24


async def two_masters(fleet: Fleet) -> None:
    await fleet.start_second_master()
    await asyncio.gather(*(fleet.start_child(name) for name in CHILDREN))


async def test_a_killed_and_a_frozen_master_are_replaced_within_three_seconds_and_the_books_balance(
    fleet: Fleet,
) -> None:
    await two_masters(fleet)
    async with await fleet.client() as client:
        for number, (blow, victim) in enumerate(zip(("kill", "freeze"), MASTERS, strict=True)):
            ids = await begin(client, number)
            heartbeats = await strike(fleet, blow, victim)
            assert heartbeats <= TAKEOVER_S / HEARTBEAT_S, (blow, victim, heartbeats)
            views, jobs = await outcomes(client, *ids)
            assert {view.state for view in views} == {"committed"}, (blow, victim)
            assert {job.state for job in jobs} == {"ok"}, (blow, victim)
            await (fleet.restart(victim) if blow == "kill" else thawed(fleet, victim))
            check(views, jobs, effects(fleet))


async def test_what_one_has_begun_is_asked_for_followed_and_cancelled_at_the_other(fleet: Fleet) -> None:
    await two_masters(fleet)
    async with await fleet.client() as client:
        steps = [step("tx", n, node, seconds=1.0) for n, node in enumerate(CHILDREN * 2)]
        await asyncio.gather(*(client.transact(steps, id=f"tx-{n}", detach=True) for n in range(8)))
        await asyncio.gather(*(client.transactions.cancel(f"tx-{n}") for n in range(8)))
        views = await asyncio.gather(*(client.transactions.wait(f"tx-{n}", 30) for n in range(8)))
    assert {view.state for view in views} == {"rolled_back"}


async def begin(client: Client, number: int) -> tuple[list[str], list[str]]:
    """Transactions of three stages that take a second each, and jobs, by both masters."""
    ids = [f"tx-{number}-{n}" for n in range(TRANSACTIONS)], [f"job-{number}-{n}" for n in range(JOBS)]
    for tx in ids[0]:
        steps = [step(tx, n, node, seconds=1.0) for n, node in enumerate(CHILDREN)]
        await client.transact(steps, id=tx, detach=True)
    for position, job in enumerate(ids[1]):
        params = {"tx": job, "seconds": 1.0}
        await client.run("enter", params, nodes=[CHILDREN[position % len(CHILDREN)]], id=job, detach=True)
    return ids


def step(tx: str, number: int, node: str, seconds: float) -> StepSpec:
    name = f"step_{number}"
    params = {"tx": tx, "step": name, "stage": number, "seconds": seconds}
    rollback = Rollback("strike", {"entry": "{{entry}}"})
    return StepSpec(name=name, node=node, action="enter", stage=number, params=params, rollback=rollback)


async def strike(fleet: Fleet, blow: str, victim: str) -> int:
    """For how many heartbeats of the other master nobody drove what the victim had driven.

    Its pulse is the clock: a busy machine slows it down as it slows down the rest.
    """
    database = fleet.place / "master" / "master.db"
    await eventually(lambda: len(driven(database)) == len(MASTERS))
    dead, other = owner(database, fleet.pid(victim)), next(one for one in MASTERS if one != victim)
    before = heartbeat(database, fleet.pid(other))
    if blow == "kill":
        await fleet.kill(victim)
    else:
        fleet.freeze(victim)
    await eventually(lambda: dead not in driven(database))
    return heartbeat(database, fleet.pid(other)) - before


async def thawed(fleet: Fleet, victim: str) -> None:
    """It wakes up, and takes a new place."""
    database = fleet.place / "master" / "master.db"
    fleet.thaw(victim)
    await eventually(lambda: bool(owner(database, fleet.pid(victim))))


def driven(database: Path) -> set[str]:
    """The masters that drive something now."""
    going_on = "SELECT owner FROM {} WHERE state IN ('running', 'compensating')"
    return {key for (key,) in look(database, f"{going_on.format('tx')} UNION {going_on.format('job')}")}


def owner(database: Path, pid: int) -> str:
    return next((key for (key,) in look(database, f"SELECT id FROM master WHERE pid = {pid} AND beat >= 0")), "")


def heartbeat(database: Path, pid: int) -> int:
    """How often this master has beaten."""
    return max(int(count) for (count,) in look(database, f"SELECT beat FROM master WHERE pid = {pid}"))


def look(database: Path, query: str) -> list[tuple[str]]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def outcomes(client: Client, txs: list[str], jobs: list[str]) -> tuple[list[TransactionView], list[Job]]:
    views = asyncio.gather(*(client.transactions.wait(tx, 40) for tx in txs))
    done = asyncio.gather(*(client.jobs.wait(job, 40) for job in jobs))
    return await views, await done


def effects(fleet: Fleet) -> list[Effect]:
    return [Effect(child, **row) for child in CHILDREN for row in fleet.effects(child)]


def check(views: list[TransactionView], jobs: list[Job], done: list[Effect]) -> None:
    """Each effect once, in the order of the stages."""
    for view in views:
        mine = sorted((effect for effect in done if effect.tx == view.id), key=lambda effect: effect.at)
        assert [effect.step for effect in mine] == [step.name for step in view.steps], view
    for job in jobs:
        assert [effect.what for effect in done if effect.tx == job.id] == ["do"], job


async def test_nobody_notices_a_frozen_master_but_by_a_pause(fleet: Fleet) -> None:
    """Searches, lists, runs and transactions at ten a second, before and after: none of them fails."""
    await two_masters(fleet)
    async with await fleet.client() as client:
        for victim in MASTERS:
            asked = [asyncio.create_task(ask_all(client, f"{victim}-{n}")) for n in range(5)]
            fleet.freeze(victim)
            for n in range(5, 40):
                asked.append(asyncio.create_task(ask_all(client, f"{victim}-{n}")))
                await asyncio.sleep(0.1)  # the pace of the callers
            assert [await each for each in asked] == [["docs", "listed", "ok", "committed"]] * 40
            await thawed(fleet, victim)


async def ask_all(client: Client, key: str) -> list[str]:
    """One of each, each with a time limit that has room on a busy machine; what they come to."""
    params = {"tx": key, "seconds": 0.0}
    found, nodes, job, tx = await asyncio.gather(
        client.search("entry", timeout_s=10.0),
        client.nodes.list(),
        client.run("enter", params, nodes=[CHILDREN[0]], id=f"j-{key}"),
        client.transact([step(f"t-{key}", 0, CHILDREN[1], seconds=0.0)], id=f"t-{key}", timeout_s=30.0),
    )
    return ["docs" if not found.partial else "partial", "listed" if nodes else "none", job.state, tx.state]
