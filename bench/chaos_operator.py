"""The operator of the chaos benchmark: does what the product asks for, and writes down what it said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from bench.chaos_scene import Scene
from fleetfold.client import Client
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import NodeRecord

__all__ = ["ChaosOperator"]

LOOK_S = 0.5


class ChaosOperator:
    """Accepts ledgers that the masters refuse. `denied` are the commands that took effect as the masters know, and that
    a ledger has not, by id: what the product has named as lost.
    """

    def __init__(self, scene: Scene, client: Client) -> None:
        self._scene, self._client = scene, client
        self.denied: set[str] = set()

    async def run(self) -> None:
        """Look at the nodes for ever."""
        while True:
            with suppress(FleetfoldError):  # nobody answers just now
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def settled(self) -> bool:
        """Whether all nodes are active and heard."""
        try:
            nodes = await self._client.nodes.list()
        except FleetfoldError:
            return False
        return all(node.state == "active" and node.presence == "up" for node in nodes)

    async def unsettled(self) -> Sequence[str]:
        """The nodes that are not well, and why."""
        nodes = await self._client.nodes.list()
        return [f"{node.name}: it is {node.state} ({node.reason})" for node in nodes if node.state != "active"]

    async def _look(self) -> None:
        for node in await self._client.nodes.list():
            if node.state == "error" and "nodes reconcile" in node.reason:
                await self._accept(node)

    async def _accept(self, node: NodeRecord) -> None:
        found = await self._client.nodes.reconcile(node.name)
        self.denied |= {one.id for one in found.denied}
        accepted = await self._client.nodes.reconcile(node.name, accept=True)
        self.denied |= {one.id for one in accepted.denied}
        self._scene.set_back.add(node.name)
        self._scene.told["ledger refused, then accepted"] += 1
