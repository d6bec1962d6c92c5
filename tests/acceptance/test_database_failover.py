"""A master on a PostgreSQL that fails over to its standby: what was accepted is done, once, and the master goes on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from time import monotonic

import pytest

from support.effort import effort
from support.fleet import running_fleet
from support.postgres import Cluster
from support.steady_work import Work
from support.storm import CHILDREN

BEFORE = 40
"""So many jobs end before the failover, and after it."""


@pytest.mark.timeout(600)
async def test_the_master_goes_on_with_the_promoted_standby(
    nats_server: str, failover: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    primary, standby = failover
    async with running_fleet(tmp_path) as fleet:
        await fleet.start("broker", "broker", "--port", "0")
        database = f"postgresql://fleet@{primary.address},{standby.address}/postgres"
        await fleet.start("master", "master", env={**os.environ, "FLEETFOLD_MASTER_DATABASE": database})
        await asyncio.gather(*(fleet.start_child(name) for name in CHILDREN))
        async with await fleet.client() as client, Work(client) as work:
            await work.more(BEFORE)
            since = monotonic()
            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(standby.execute, "SELECT pg_promote()")
            await work.more(effort(BEFORE))
            print(f"failover: nothing ended for {work.stall_s(since):.1f} s")  # noqa: T201 (measured, not asserted)
        work.check(fleet)
