"""An OpenAI-compatible endpoint that says what a test has it say, in server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support.listener import listening

__all__ = ["Endpoint", "Play", "endpoint", "event", "hang", "refuse", "say"]

Play = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes a whole HTTP response, or less."""


@dataclass
class Endpoint:
    """Where it listens, what it does with the next request, and what it has been asked."""

    port: int
    play: Play
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a caller has closed its connection."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def endpoint(play: Play) -> AsyncIterator[Endpoint]:
    """One that does `play` with whoever asks."""
    made = Endpoint(0, play)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        assert first.startswith("POST /v1/chat/completions ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        made.headers.append(headers)
        made.asked.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        playing = asyncio.ensure_future(made.play(writer))
        leaving = asyncio.ensure_future(reader.read())
        try:
            await asyncio.wait([playing, leaving], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                made.gone.set()
        finally:
            playing.cancel()
            leaving.cancel()
            await asyncio.gather(playing, leaving, return_exceptions=True)

    async with listening(serve) as port:
        made.port = port
        yield made


def event(words: str | None = None, finish: str | None = None) -> bytes:
    """One event with some words, or with the reason why it ends."""
    delta = {"content": words} if words is not None else {}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def say(*words: str, end: bytes = b"data: [DONE]\n\n") -> Play:
    """Say these words, one event each, then `end`, and close."""

    async def play(writer: asyncio.StreamWriter) -> None:
        _begin(writer)
        for some in words:
            writer.write(event(some))
            await writer.drain()
        writer.write(end)
        await writer.drain()

    return play


def hang(*words: str) -> Play:
    """Say these words, and then nothing."""

    async def play(writer: asyncio.StreamWriter) -> None:
        _begin(writer)
        for some in words:
            writer.write(event(some))
        await writer.drain()
        await asyncio.Event().wait()

    return play


def refuse(status: int, *headers: str, body: str = '{"error": {"message": "no"}}') -> Play:
    """Answer with an HTTP status."""

    async def play(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Refused", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()

    return play


def _begin(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
