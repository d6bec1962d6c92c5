"""A wire between a child and the broker that can be cut: what is on its way then is lost, as on a real network."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

__all__ = ["Wire"]

CHUNK_BYTES = 65_536


class Wire:
    """A TCP port that leads to another one. Use `async with`; `url` is for who is to come through it."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._hang_up()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """`nats://127.0.0.1:PORT`."""
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self, silent_s: float) -> None:
        """Swallow everything for so long, both ways, without a word; then hang up, so that both sides come again."""
        self._cut = True
        await asyncio.sleep(silent_s)
        self._hang_up()
        self._cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._there)
        except OSError:  # the broker is dead
            writer.close()
            return
        self._writers |= {writer, there_writer}
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                if not self._cut:
                    sink.write(data)
                    await sink.drain()
        sink.close()
        self._writers.discard(sink)

    def _hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
