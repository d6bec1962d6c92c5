"""Follows a page as a reader would: saves its files, starts what it starts, types its commands, reads what they say."""

from __future__ import annotations

import shlex
from pathlib import Path

from fleetfold_demo.processes import DaemonProcess, start_daemon
from support.fleet import fleetfold
from support.pages import Block, Shown, blocks, shape

__all__ = ["Walkthrough"]

MOST_TRIES = 60
READING = ({"search"}, {"nodes", "list"}, {"tx", "show"})


class Walkthrough:
    """In the current folder, whose state directory is `place`. To be closed."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._daemons: dict[str, DaemonProcess] = {}

    async def follow(self, page: Path) -> None:
        """Do everything on `page` that is marked; `AssertionError` where it says something else than happens."""
        for block in blocks(page):
            if block.verb == "file":
                self.save(block)
            elif block.verb == "start":
                await self.start(block)
            elif block.verb == "stop":
                await self.stop(block.name)
            elif block.verb == "run":
                for shown in block.shown():
                    await self.run(shown)

    def save(self, block: Block) -> None:
        """Write the block into the file it is named for."""
        Path(block.name).write_text(block.text, encoding="utf-8")

    async def start(self, block: Block) -> None:
        """Start a daemon as a console block does, a broker on a free port; it says what the page says."""
        (shown,) = block.shown()
        words = shlex.split(shown.command)[1:]
        port = ["--port", "0"] if words[0] in {"up", "broker"} else []
        daemon = self._daemons[block.name] = await start_daemon(block.name, [*words, *port], self._place)
        assert shape(daemon.ready) == shape(shown.output.partition("\n")[0])

    async def stop(self, name: str) -> None:
        """Stop what `start` started."""
        await self._daemons.pop(name).stop()

    async def run(self, shown: Shown) -> None:
        """Type a command; it says what the page says, at once or, if it only reads, before long."""
        program, *words = shlex.split(shown.command)
        assert program == "fleetfold", shown.command
        reads = any(kind <= set(words[:2]) for kind in READING)
        for _ in range(MOST_TRIES if reads else 1):
            said = await fleetfold(*words)
            if shape(said.out + said.err) == shape(shown.output):
                break
        assert shape(said.out + said.err) == shape(shown.output), f"{shown.command}\n{said.out}{said.err}"

    async def close(self) -> None:
        """Stop what is still up, the last started first."""
        for daemon in reversed(self._daemons.values()):
            await daemon.stop()
