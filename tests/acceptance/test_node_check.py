"""`fleetfold child --check`, the health check of a container: it says what the masters know of the node."""

from __future__ import annotations

import os

from fleetfold_cli.error_exit import FAILED
from support.fleet import Fleet, Said, fleetfold
from support.wait import eventually

CHECK = ("child", "--name", "shop", "--check", "--json")


async def test_a_node_is_well_while_the_masters_hear_it_and_no_longer(fleet: Fleet) -> None:
    said = await fleetfold(*CHECK)
    assert "it has not been let in yet" in said.err + said.out
    assert said.code == FAILED
    await fleet.stop("master")
    await fleet.start("master", "master", env={**os.environ, "FLEETFOLD_MASTER_HEARTBEAT_S": "0.2"})
    await fleet.start_child("shop")
    said = await fleetfold(*CHECK)
    assert (said.code, said.json) == (0, {"name": "shop", "state": "active"})
    fleet.freeze("shop")
    found: list[Said] = []

    async def ill() -> bool:
        found.append(await fleetfold(*CHECK))
        return found[-1].code != 0

    await eventually(ill)
    assert found[-1].code == FAILED
    assert "shop: " in found[-1].err + found[-1].out
    fleet.thaw("shop")

    async def well() -> bool:
        return (await fleetfold(*CHECK)).code == 0

    await eventually(well)
