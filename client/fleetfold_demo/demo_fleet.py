"""The demo's fleet, and the output of the tour: headings, commands as typed, and their real answers."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Self

import msgspec
from rich.console import Console, RenderableType
from rich.markup import escape

from fleetfold.client import Client
from fleetfold.credentials import read_local_key
from fleetfold.state_directory import RunningFleet, announce_demo, running_fleet, same_place, withdraw
from fleetfold_demo.processes import DaemonProcess, start_daemon

__all__ = ["DemoFailed", "DemoFleet"]

COLLECTIONS = {"shop": ["products"], "blog": ["posts"], "crm": ["customers", "tickets", "orders"]}


class DemoFailed(Exception):
    """Something that the demo promises did not happen."""


class DemoFleet:
    """A broker, a master and three children, each a process of its own, with data in a folder that goes with them.

    The fleet's secrets are there too. That folder is the state directory of all of them, so two demos, or a demo and a
    fleet of one's own, do not meet. Where no other fleet lives on this machine, commands find the demo by themselves.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._data = Path(tempfile.mkdtemp(prefix="fleetfold-demo-"))
        self._keys = self._data / "keys"
        self._open = AsyncExitStack()
        self._master: DaemonProcess | None = None
        self._acts = 0
        self.url = ""
        self.client: Client

    async def __aenter__(self) -> Self:
        self._open.callback(shutil.rmtree, self._data, ignore_errors=True)
        try:
            await self._raise_curtain()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def act(self, title: str) -> None:
        """A new heading."""
        self._acts += 1
        self._console.print(f"\n[bold cyan]{self._acts}. {title}[/]")

    def command(self, words: str) -> None:
        """What one would type to see the same."""
        self._console.print(f"[dim]$[/] [bold]fleetfold {escape(words)}[/]", highlight=False)

    def show(self, answer: RenderableType) -> None:
        """What came back."""
        self._console.print(answer, highlight=False, markup=False)

    def say(self, text: str) -> None:
        """A sentence of the tour."""
        self._console.print(text, highlight=False, markup=False)

    def require(self, promise: str, holds: object) -> None:
        """Tick off a promise, or end the demo."""
        if not holds:
            raise DemoFailed(f"not kept: {promise}")
        self._console.print(f"[green]✓[/] {escape(promise)}", highlight=False)

    def show_way(self) -> None:
        """What one types first in another terminal, where commands would find another fleet."""
        found = running_fleet()
        if found is None or not same_place(found.url, self.url):
            self._console.print(f"[dim]$[/] [bold]export FLEETFOLD_STATE={escape(str(self._data))}[/]", highlight=False)

    async def kill_master(self) -> None:
        """SIGKILL."""
        assert self._master is not None
        await self._master.kill()

    async def start_master(self) -> None:
        """Start the master; the same data, so the same fleet."""
        self._master = await self._start(
            "master", "master", "--url", self.url, "--data", str(self._data / "master"), "--keys", str(self._keys)
        )
        self._open.push_async_callback(self._master.stop)

    async def _raise_curtain(self) -> None:
        broker = await self._start(
            "broker", "broker", "--json", "--port", "0", "--store", str(self._data / "broker"),
            "--keys", str(self._keys), quiet=True,
        )  # fmt: skip
        self._open.push_async_callback(broker.stop)
        self.url = msgspec.json.decode(broker.ready)["url"]
        announce_demo(RunningFleet(self.url, os.getpid(), "demo", time.time(), keys=str(self._keys)))
        self._open.callback(withdraw, os.getpid())
        self.say(f"fleetfold broker is up: on {self.url}")
        await self.start_master()
        children = await asyncio.gather(*(self._start_child(name) for name in COLLECTIONS))
        for child in children:
            self._open.push_async_callback(child.stop)
        self.client = await self._open.enter_async_context(await self._connect())

    async def _connect(self) -> Client:
        """As any command on this machine does."""
        key = read_local_key(self._keys)
        return await Client.connect(self.url, name="demo", key=key.key if key else None)

    async def _start_child(self, name: str) -> DaemonProcess:
        sample = files("fleetfold_demo") / "data"
        words = [
            word
            for collection in COLLECTIONS[name]
            for word in ("--collection", f"{collection}={sample / f'{collection}.jsonl'}")
        ]
        return await self._start(
            name, "child", "--name", name, "--type", name, "--url", self.url,
            "--data", str(self._data / name), "--actions", f"fleetfold_demo.{name}:ACTIONS", *words,
        )  # fmt: skip

    async def _start(self, name: str, *words: str, quiet: bool = False) -> DaemonProcess:
        daemon = await start_daemon(name, list(words), self._data, _environment(self._data))
        if not quiet:
            self.say(daemon.ready.replace(str(self._data), "…"))
        return daemon


def _environment(state: Path) -> dict[str, str]:
    """This process's, without what is meant for another fleet."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("FLEETFOLD_")}
    return {**own, "FLEETFOLD_STATE": str(state)}
