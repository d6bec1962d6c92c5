"""Reading of standard input without blocking the connection to the fleet."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TextIO

__all__ = ["agreed", "typed_lines"]

AHEAD = 100


async def typed_lines(stream: TextIO, ahead: int = AHEAD) -> AsyncGenerator[str, None]:
    """The stream's lines as they come, with at most `ahead` lines read in advance.

    They are read by a daemon thread, which may block on input for ever.
    """
    lines, loop = asyncio.Queue[str | None](), asyncio.get_running_loop()
    wanted, over = threading.Semaphore(ahead - 1), threading.Event()

    def read() -> None:
        line: str | None = ""
        with contextlib.suppress(RuntimeError):  # the loop is closed: no more lines are consumed
            while line is not None and wanted.acquire() and not over.is_set():
                line = stream.readline() or None
                loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    try:
        wanted.release()
        while (line := await lines.get()) is not None:
            yield line
            wanted.release()
    finally:
        over.set()
        wanted.release()


async def agreed(question: str, asked: TextIO, answers: TextIO) -> bool:
    """Ask for confirmation. Anything but a yes, and the end of the input, is a no."""
    print(question, end=" [y/N] ", file=asked, flush=True)
    async with aclosing(typed_lines(answers, ahead=1)) as lines:
        async for line in lines:
            return line.strip().lower() in {"y", "yes"}
    return False
