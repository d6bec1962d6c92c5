"""Connect with plain nats-py again and again, as one identity: a process that the benchmark of connections starts.

    python -m bench.connect < SPEC

The first line on stdin is a `Spec` as JSON; it connects once, says `ready`, and the next line sets it off. Then it says
what it `Did`, as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
import uvloop
from nats.aio.client import Client

from bench.rounds import rate

__all__ = ["Did", "Spec"]


class Spec(msgspec.Struct, frozen=True):
    """`count` connections as `name`, which shows `token`, if any; `in_flight` at a time."""

    url: str
    name: str
    token: str | None
    count: int
    in_flight: int


class Did(msgspec.Struct, frozen=True):
    """When it began and ended, by this machine's monotonic clock, and the CPU seconds it took."""

    began: float
    ended: float
    cpu_s: float


async def connect_many(spec: Spec) -> Did:
    """Each connection lasts until the server has processed what was sent; one that is refused ends it all."""

    async def connect() -> None:
        client = Client()
        await client.connect(
            spec.url, name=spec.name, token=spec.token, inbox_prefix=f"_INBOX.{spec.name}", allow_reconnect=False
        )
        await client.flush()
        await client.close()

    await connect()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began, cpu_s = time.monotonic(), time.process_time()
    await rate(connect, spec.in_flight, spec.count)
    return Did(began, time.monotonic(), time.process_time() - cpu_s)


if __name__ == "__main__":
    done = uvloop.run(connect_many(msgspec.json.decode(sys.stdin.readline(), type=Spec)))
    print(msgspec.json.encode(done).decode(), flush=True)
