"""What a person or another program types, read without holding up the connection to the fleet."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TextIO

__all__ = ["agreed", "typed_lines"]

AHEAD = 100
"""Lines that are read before they are wanted."""


async def typed_lines(stream: TextIO) -> AsyncGenerator[str, None]:
    """Its lines as they come. A thread reads them that nobody waits for at the end: it may wait for input for ever."""
    lines: asyncio.Queue[str | None] = asyncio.Queue(AHEAD)
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(RuntimeError, asyncio.CancelledError):  # the loop is closed: nobody wants more
            for line in iter(stream.readline, ""):
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


async def agreed(question: str, asked: TextIO, answers: TextIO) -> bool:
    """Whether a person says yes. Anything else, and the end of the input, is a no."""
    print(question, end=" [y/N] ", file=asked, flush=True)
    async with aclosing(typed_lines(answers)) as lines:
        async for line in lines:
            return line.strip().lower() in {"y", "yes"}
    return False
