"""Nodes that do nothing but answer: the broker room's own code, many of them in one process.

    python -m bench.light_nodes URL NAME...

Each joins the fleet, is heard, and answers pings as a child does; beside it stands a node of the bare floor.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import uvloop

from bench.bare import answer_bare
from fleetfold_broker.bus import Bus
from fleetfold_broker.gathered import serve_node
from fleetfold_broker.service import Request, Service
from fleetfold_shared import __version__
from fleetfold_shared.messages import Heartbeat, Join, Joined, NodeDescription, Pong

__all__ = ["serve"]

JOIN_S = 10.0


async def serve(url: str, names: Sequence[str]) -> None:
    """Stand for `names` until told to stop, heard together at each interval."""
    joined = [await _light_node(url, name) for name in names]
    floor = [await answer_bare(url) for _ in names]  # noqa: F841 (they live as long as this does)
    print("ready", flush=True)
    seq = 0
    while True:
        seq += 1
        for bus, description in joined:
            await bus.publish(bus.subjects.heartbeat(bus.caller), Heartbeat(seq=seq, description=description))
        await asyncio.sleep(4.0)


async def _light_node(url: str, name: str) -> tuple[Bus, NodeDescription]:
    bus = await Bus.connect(url, name)
    description = NodeDescription(incarnation="bench", version=__version__)

    async def pong(_: Request) -> Pong:
        return Pong(incarnation=description.incarnation)

    await serve_node(Service(bus, f"bench-{name}", version=__version__), bus, name, {"ping": pong})
    await bus.link.barrier()
    await bus.request(bus.subjects.join(name), Join(description=description), Joined, JOIN_S)
    return bus, description


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2:]))
