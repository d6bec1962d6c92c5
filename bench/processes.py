"""A fleet for a benchmark: real `fleetfold` processes on data of their own, and the CPU time that each has used."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from fleetfold.client import Client
from fleetfold.demo.processes import start_daemon

__all__ = ["Processes", "cpu_spent", "running_fleet"]

HERE = "client"
TICKS = os.sysconf("SC_CLK_TCK")
USER_TICKS, SYSTEM_TICKS = 11, 12
"""Where a process's own CPU ticks stand in `/proc/<pid>/stat`, counted behind its name."""


class Processes:
    """A running `fleetfold up` and what was started beside it; `data` goes with them."""

    def __init__(self, data: Path, opened: AsyncExitStack) -> None:
        self.data, self.url = data, ""
        self._opened = opened
        self._pids: dict[str, int] = {}

    async def up(self) -> None:
        """Start broker and master, in one process and a nats-server."""
        ready = await self._start("up", "up", "--json", "--port", "0", "--data", str(self.data))
        self.url = str(ready["url"])
        server = self.data / "broker" / "nats-server.pid"
        self._pids |= {"master": int(str(ready["pid"])), "nats-server": int(server.read_text())}

    async def child(self, name: str, *words: str) -> None:
        """Start a child with these options, and return when it has read its documents and joined."""
        place = str(self.data / "children" / name)
        ready = await self._start(name, "child", "--json", "--name", name, "--url", self.url, "--data", place, *words)
        self._pids[name] = int(str(ready["pid"]))

    async def client(self) -> Client:
        """A client, parted when the fleet ends."""
        return await self._opened.enter_async_context(await Client.connect(self.url, name="bench"))

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds that each process has used so far; where there is no /proc, only this one: `client`."""
        used = {name: seconds for name, pid in self._pids.items() if (seconds := _cpu_s(pid)) is not None}
        return {HERE: time.process_time(), **used}

    async def _start(self, name: str, *words: str) -> Mapping[str, object]:
        daemon = await start_daemon(name, [*words, "--log-level", "warning"], self.data)
        self._opened.push_async_callback(daemon.stop)
        ready: Mapping[str, object] = msgspec.json.decode(daemon.ready)
        return ready


@asynccontextmanager
async def running_fleet() -> AsyncIterator[Processes]:
    """A fleet without children, apart from any other on this machine."""
    data = Path(tempfile.mkdtemp(prefix="fleetfold-bench-"))
    os.environ["FLEETFOLD_STATE"] = str(data / "state")
    async with AsyncExitStack() as opened:
        opened.callback(shutil.rmtree, data, ignore_errors=True)
        processes = Processes(data, opened)
        await processes.up()
        yield processes


def cpu_spent(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    """Microseconds of CPU for each of `count` pieces of work, by process."""
    return {name: round((after[name] - before[name]) / count * 1e6, 1) for name in before}


def _cpu_s(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / TICKS
