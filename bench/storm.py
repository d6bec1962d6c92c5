"""kill -9 of the nats-server under a crowd: how long until every node is let in again and heard, and at what cost.

Meanwhile a client runs commands on a real child, none of which may get lost. Nodes count what they try in vain, the
server and the master whom they have seen.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from bench.crowd import Crowd
from bench.light_nodes import Back
from bench.processes import SERVER, Processes, running_fleet
from bench.rounds import medians
from fleetfold.client import Client
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Job

__all__ = ["failed_tries", "measure"]

NODES, TO_A_PROCESS = 500, 125
CHILD = "worker"
COMMANDS, EVERY_S = 200, 0.02
CALM_S = 1.0
"""How long the commands go on before the kill."""
CALM_AGAIN_S = 120.0
"""After which time somebody is lost for good."""
PING_S, RETRY_S = 5.0, 0.05
REASONS = ("nobody_there", "unanswered", "refused")


class _Server(msgspec.Struct, frozen=True):
    """What is used of a nats-server's VARZ."""

    start: datetime
    total_connections: int


class _Varz(msgspec.Struct, frozen=True):
    data: _Server


async def measure(rounds: int, nodes: int = NODES) -> dict[str, Any]:
    """Medians over `rounds` kills under the same crowd, and the slowest of them."""
    async with running_fleet() as fleet:
        client = await fleet.client()
        await fleet.child(CHILD, "--actions", "bench.noop:noop")
        async with Crowd(fleet, client, to_a_process=TO_A_PROCESS) as crowd:
            await crowd.grow(nodes)
            storm = _Storm(fleet, client, crowd)
            measured = [await asyncio.wait_for(storm.strike(), CALM_AGAIN_S) for _ in range(rounds)]
    slowest = round(max(each["all_heard_s"] for each in measured), 3)
    return {"nodes": nodes, **medians(measured), "slowest_all_heard_s": slowest}


def failed_tries(back: Iterable[Back]) -> Counter[str]:
    """By reason, of all processes: each one's latest word counts, because it counts on."""
    latest = {said.process: said.failed for said in sorted(back, key=lambda said: said.at)}
    return sum((Counter(failed) for failed in latest.values()), Counter())


class _Storm:
    """One crowd, struck again and again."""

    def __init__(self, fleet: Processes, client: Client, crowd: Crowd) -> None:
        self._fleet, self._client, self._crowd = fleet, client, crowd
        self._failed: Counter[str] = Counter()

    async def strike(self) -> dict[str, float]:
        """Figures of one kill; seconds are from it."""
        commands = asyncio.create_task(self._commands_lost())
        await asyncio.sleep(CALM_S)
        admitted, cpu_s = (await self._client.access.stats()).admitted, self._fleet.cpu_s()["master"]
        killed, killed_at = time.monotonic(), time.time()
        self._fleet.kill_server()
        back = await self._crowd.all_back()
        heard = await self._all_heard()
        used, server = self._fleet.cpu_s(), await self._server()
        return {
            "server_back_s": server.start.timestamp() - killed_at,
            "half_back_s": statistics.median(said.at for said in back) - killed,
            "all_back_s": back[-1].at - killed,
            "all_heard_s": heard - killed,
            "master_cpu_s": used["master"] - cpu_s,
            "server_cpu_s": used[SERVER],
            "admitted": (await self._client.access.stats()).admitted - admitted,
            "commands_lost": await commands,
            **self._tries(back, server.total_connections),
        }

    def _tries(self, back: list[Back], connections: int) -> dict[str, float]:
        """How often was tried: by the nodes' own count, and by the server's, which sees none before it is back."""
        before, self._failed = self._failed, failed_tries(back)
        failed = {f"failed_{reason}": self._failed[reason] - before[reason] for reason in REASONS}
        nodes = len(back)
        return {
            **failed,
            "connections": connections,
            "storm_factor": (nodes + sum(failed.values())) / nodes,
            "storm_factor_at_server": connections / nodes,
        }

    async def _all_heard(self) -> float:
        """When a ping of all was answered by all."""
        while True:
            try:
                answered = await self._client.nodes.ping(timeout_s=PING_S)
            except FleetfoldError:  # the client has to come back as well
                await asyncio.sleep(RETRY_S)
                continue
            if all(answered.get(name) is not None for name in self._crowd.names):
                return time.monotonic()

    async def _commands_lost(self) -> int:
        """How many commands did not end well that were begun one after another, most of them during the storm."""

        async def run(number: int) -> bool:
            await asyncio.sleep(number * EVERY_S)
            return (await self._command(number, new_id())).state == "ok"

        return (await asyncio.gather(*(run(number) for number in range(COMMANDS)))).count(False)

    async def _command(self, number: int, id_: str) -> Job:
        """Insist until it is accepted; its id makes that safe."""
        while True:
            try:
                return await self._client.run("noop", {"number": number}, nodes=[CHILD], id=id_)
            except Unavailable:
                await asyncio.sleep(RETRY_S)

    async def _server(self) -> _Server:
        keys = self._fleet.keys()
        assert keys is not None
        options = ConnectionOptions(url=self._fleet.url, caller="bench", seed=keys.sys)
        async with await Bus.open(options) as bus:
            answer = await bus.ask("$SYS.REQ.SERVER.PING.VARZ", b"", PING_S)
        return msgspec.json.decode(answer.data, type=_Varz).data
