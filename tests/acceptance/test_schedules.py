"""Schedules under kill -9 of the master: each planned time is fired once, and none is left out."""

from __future__ import annotations

import asyncio
import random

import pytest

from fleetfold.client import Client
from fleetfold_shared.messages import Firing, ScheduleSpec
from support.fleet import Fleet
from support.wait import eventually

KILLS = 4
NAMES = [f"tick-{number}" for number in range(6)]


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
async def test_every_planned_time_is_fired_once_whenever_the_master_is_killed(fleet: Fleet, seed: int) -> None:
    rng = random.Random(seed)
    await fleet.start_child("shop")
    async with await fleet.client() as client:
        for name in NAMES:
            run = {"action": "enter", "params": {"tx": name}, "nodes": ["shop"]}
            spec = ScheduleSpec(name=name, every_s=1, misfire="all", overlap="allow", keep=1000, run=run)
            await client.schedules.put(spec)
        for _ in range(KILLS):
            await asyncio.sleep(rng.uniform(0.2, 1.2))
            await fleet.kill("master")
            await fleet.restart("master")
        fired = {name: await paused(client, name) for name in NAMES}
        await eventually(lambda: len(fleet.effects("shop")) >= sum(map(len, fired.values())))
        for name, firings in fired.items():
            planned = sorted(one.planned_at for one in firings)
            assert planned == [planned[0] + second for second in range(len(planned))]
            assert len(planned) > 1
            keys = [effect["key"] for effect in fleet.effects("shop") if effect["tx"] == name]
            assert sorted(keys) == sorted(f"j.{one.id}.shop" for one in firings)


async def paused(client: Client, name: str) -> list[Firing]:
    """The firings of a schedule that fires no more; none was skipped or refused."""
    await client.schedules.pause(name)

    async def ended() -> bool:
        firings = (await client.schedules.get(name, firings=1000)).firings
        return all(one.state == "done" for one in firings)

    await eventually(ended)
    return (await client.schedules.get(name, firings=1000)).firings
