"""Processes of the benchmarks' own: told what to do by a line of JSON, they say `ready`, and later what they found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

__all__ = ["Worker", "worker"]

READY = b"ready\n"
READY_S = 120.0


class Worker(msgspec.Struct, frozen=True):
    """Its two ends that are ours."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader


@asynccontextmanager
async def worker(module: str, spec: msgspec.Struct) -> AsyncIterator[Worker]:
    """`python -m MODULE`, once it is ready; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(spec) + b"\n")
        async with asyncio.timeout(READY_S):
            if await process.stdout.readline() != READY:
                raise RuntimeError(f"{module} did not start; what it says stands above")
        yield Worker(process.stdin, process.stdout)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
