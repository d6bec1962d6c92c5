"""Callbacks of real processes: whatever is killed, whoever asked for it is told of every end."""

from __future__ import annotations

import asyncio
import os
import random

import msgspec
import pytest

from fleetfold.client import Client
from fleetfold_shared.messages import Callback, Rollback, StepSpec, TransactionView
from support.fleet import Fleet, fleetfold, running_fleet
from support.receiver import receiving
from support.wait import eventually

TRANSACTIONS = 40


def _steps(number: int, mood: str) -> list[StepSpec]:
    rollback = Rollback("strike", {"entry": "{{entry}}"})
    params = {"tx": f"t{number}", "stage": 0}
    first = StepSpec(name="a", node="shop", action="enter", params={**params, "step": "a"}, rollback=rollback)
    return [first, StepSpec(name="b", node="shop", action="enter", params={**params, "step": "b", "mood": mood})]


async def _begin(client: Client, number: int, mood: str, callback: Callback) -> str:
    return (
        await client.transact(_steps(number, mood), id=f"t{number}", detach=True, timeout_s=60.0, callback=callback)
    ).id


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
async def test_every_end_is_told_though_master_and_broker_are_killed_again_and_again(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    async with receiving("204") as receiver, running_fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        await _start(fleet, receiver.place)
        callback = Callback(url=receiver.place)
        async with await fleet.client() as client:
            begun = [
                asyncio.create_task(_begin(client, number, rng.choice(["calm", "refuse"]), callback))
                for number in range(TRANSACTIONS)
            ]
            for victim in ("master", "server", "master"):
                await asyncio.sleep(rng.uniform(0.0, 0.3))
                await fleet.kill(victim)
                if victim == "master":
                    await fleet.restart("master")
            ids = await asyncio.gather(*begun)
            ended = {key: await client.transactions.wait(key, 60.0) for key in ids}
        await eventually(lambda: {told["data"]["id"] for told in receiver.told} >= set(ids), 90.0)
    for told in receiver.told:
        assert told["type"] == f"transaction.{ended[told['data']['id']].state}"
        assert msgspec.convert(told["data"], TransactionView).ended_at is not None
    by_id = {
        headers["webhook-id"]: told["data"]["id"] for headers, told in zip(receiver.headers, receiver.told, strict=True)
    }
    assert len(by_id) == len(ids)


async def _start(fleet: Fleet, allowed: str) -> None:
    await fleet.start_core()
    await fleet.stop("master")
    await fleet.start("master", "master", env={**os.environ, "FLEETFOLD_CALLBACKS_ALLOW": allowed})
    await fleet.start_child("shop")


async def test_the_secret_is_printed_for_who_takes_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("keys")
    said = await fleetfold("keys", "webhook", "--keys", str(place))
    assert (said.code, said.out[:6], said.err) == (0, "whsec_", "")
    assert (await fleetfold("keys", "webhook", "--keys", str(place), "--json")).json == {"secret": said.out.strip()}
