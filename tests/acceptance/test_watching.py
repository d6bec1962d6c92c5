"""Jobs as a person at a shell waits for them: watched, left, followed, stopped."""

from __future__ import annotations

import asyncio
import signal
import sys

import msgspec

from support.fleet import Fleet, fleetfold
from support.wait import eventually


async def _begin(*words: str) -> asyncio.subprocess.Process:
    """It hears Control-C, also where this process does not: a shell has what it starts with `&` ignore it."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fleetfold", *words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


async def _known(job: str) -> bool:
    return (await fleetfold("jobs", "show", job, "--json")).code == 0


async def test_control_c_ends_the_waiting_and_not_the_job(shared_fleet: Fleet) -> None:
    waiting = await _begin("run", "shop", "doze", "seconds=12", "--id", "left")
    await eventually(lambda: _known("left"), 60.0)
    waiting.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(waiting.communicate(), 20.0)
    assert (waiting.returncode, out) == (130, b"")
    assert b"the job left goes on; `fleetfold jobs follow left`" in err
    followed = await fleetfold("jobs", "follow", "left")
    assert (followed.code, "doze: ok  job left" in followed.out) == (0, True)


async def test_each_change_is_a_line_and_the_last_is_the_outcome(shared_fleet: Fleet) -> None:
    told = await fleetfold("run", "shop", "doze", "seconds=1.2", "--follow", "--json")
    states = [msgspec.json.decode(line)["state"] for line in told.out.splitlines()]
    assert (told.code, states[0], states[-1]) == (0, "running", "ok")


async def test_a_job_that_is_stopped_ends_as_cancelled(shared_fleet: Fleet) -> None:
    assert (await fleetfold("run", "shop", "doze", "seconds=50", "--detach", "--id", "stopped")).code == 0
    cancelled = await fleetfold("jobs", "cancel", "stopped", "--json")
    assert cancelled.code == 0
    assert cancelled.json["cancelled_by"] is not None
    assert (await fleetfold("jobs", "follow", "stopped", "--timeout", "30")).code == 8
    listed = await fleetfold("jobs", "list", "--state", "cancelled", "--json")
    assert [job["id"] for job in listed.json["jobs"]] == ["stopped"]
