"""A TCP server for a test, which ends with all that it has taken in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

__all__ = ["Greet", "listening"]

GOODBYE_S = 0.3

Greet = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(greet: Greet) -> AsyncIterator[int]:
    """The port of a server that does `greet` with whoever comes, and then closes the connection.

    One that is left to the garbage collector would fail whichever test comes later.
    """
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await greet(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)  # who has been accepted gets its task
        await _end(serving)
        await asyncio.sleep(0)  # what was closed is let go of


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Most have heard by now that the other side has gone."""
    if tasks:
        await asyncio.wait(tasks, timeout=GOODBYE_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
