"""From `nodes revoke` to the closed connection, and to its answer."""

from __future__ import annotations

import asyncio
import time
from statistics import median

from bench.members import enrolled
from bench.processes import Processes, running_fleet
from fleetfold.client import Client
from fleetfold_broker.bus import Bus
from fleetfold_child.enrolment.renewal import CredentialRenewal
from fleetfold_shared.errors import Unauthenticated

__all__ = ["measure"]

NODES = 20
CLOSED_S = 5.0


async def measure() -> dict[str, float]:
    """Milliseconds over `NODES` of them, each revoked once; none may come back."""
    async with running_fleet() as fleet:
        client = await fleet.client()
        took = [await _revoke(fleet, client, f"revoked-{number}") for number in range(NODES)]
    closed, answered = zip(*took, strict=True)
    return {
        "closed_p50_ms": round(median(closed), 1),
        "closed_max_ms": round(max(closed), 1),
        "answered_p50_ms": round(median(answered), 1),
    }


async def _revoke(fleet: Processes, client: Client, name: str) -> tuple[float, float]:
    member = await enrolled(name, fleet.url, fleet.data, (await client.nodes.invite(name)).token)
    async with await Bus.connect(fleet.url, name, credential=member) as bus:
        closed = asyncio.Event()
        bus.connection.on_down(closed.set)
        asked = time.perf_counter()
        revoking = asyncio.create_task(client.nodes.revoke(name))
        await asyncio.wait_for(closed.wait(), CLOSED_S)
        closed_at = time.perf_counter()
        await revoking
        answered_at = time.perf_counter()
    await _require_out(fleet, name, member)
    return (closed_at - asked) * 1000, (answered_at - asked) * 1000


async def _require_out(fleet: Processes, name: str, member: CredentialRenewal) -> None:
    try:
        bus = await Bus.connect(fleet.url, name, credential=member)
    except Unauthenticated:
        return
    await bus.close()
    raise RuntimeError(f"{name} was let in again, so the figure would mean nothing")
