"""A server that takes webhooks, and answers what a test has it answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support.listener import listening

__all__ = ["Receiver", "receiving"]


@dataclass
class Receiver:
    """Where it listens, what it answers next (the last one stays), and what it was sent."""

    port: int
    answers: list[str]
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]


@asynccontextmanager
async def receiving(*answers: str) -> AsyncIterator[Receiver]:
    """One that answers so: `204`, `500`, `503 Retry-After: 60`; `hang` never does."""
    made = Receiver(0, list(answers) or ["204"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        made.paths.append(first)
        made.headers.append(headers)
        made.bodies.append(body)
        answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
        if answer == "hang":
            await reader.read()
            return
        status, _, more = answer.partition(" ")
        reply = [f"HTTP/1.1 {status} Said", *([more] if more else []), "Content-Length: 0", "Connection: close", "", ""]
        writer.write("\r\n".join(reply).encode())
        await writer.drain()

    async with listening(serve) as port:
        made.port = port
        yield made
