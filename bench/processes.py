"""A fleet for a benchmark: real `fleetfold` processes on data of their own, and the CPU time that each has used."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fleetfold.client import Client
from fleetfold.credentials import read_local_key
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_demo.processes import start_daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HERE", "SERVER", "Processes", "bare_broker", "cpu_of", "cpu_spent", "memory_mb", "running_fleet"]

HERE, SERVER = "client", "nats-server"
TICKS = os.sysconf("SC_CLK_TCK")
USER_TICKS, SYSTEM_TICKS = 11, 12
"""Where a process's own CPU ticks stand in `/proc/<pid>/stat`, counted behind its name."""


class Processes:
    """A running `fleetfold up` and what was started beside it; `data` goes with them.

    An `insecure` one has no identities, to compare with.
    """

    def __init__(self, data: Path, opened: AsyncExitStack, *, insecure: bool, sync: str) -> None:
        self.data, self.url, self.insecure = data, "", insecure
        self._env = {**os.environ, "FLEETFOLD_STATE": str(data / "state"), "FLEETFOLD_BROKER_SYNC": sync}
        self._opened = opened
        self._pids: dict[str, int] = {}

    async def up(self) -> None:
        """Start broker and master, in one process and a nats-server."""
        words = ["--insecure"] if self.insecure else []
        ready = await self._start("up", "up", "--json", "--port", "0", "--data", str(self.data), *words)
        self.url = str(ready["url"])
        self._pids["master"] = int(str(ready["pid"]))

    async def child(self, name: str, *words: str) -> None:
        """Start a child with these options, and return when it has read its documents and joined."""
        place = str(self.data / "children" / name)
        ready = await self._start(name, "child", "--json", "--name", name, "--url", self.url, "--data", place, *words)
        self._pids[name] = int(str(ready["pid"]))

    async def client(self) -> Client:
        """A client that may do everything, parted when the fleet ends."""
        kept = read_local_key(self.data / "keys")
        client = await Client.connect(self.url, name="bench", key=kept.key if kept else None)
        return await self._opened.enter_async_context(client)

    def keys(self) -> BrokerKeys | None:
        """The masters' own; `None` where there are no identities."""
        return None if self.insecure else BrokerKeys.load(self.data / "keys", {})

    def send(self, name: str, number: int) -> None:
        """Send a signal to a process."""
        os.kill(self._pids[name], number)

    def kill_server(self) -> None:
        """kill -9 of the nats-server, which `up` then starts again."""
        os.kill(self._server_pid(), signal.SIGKILL)

    @property
    def pids(self) -> dict[str, int]:
        """The process of each."""
        return {**self._pids, SERVER: self._server_pid()}

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds that each process has used so far; where there is no /proc, only this one: `client`."""
        used = {name: seconds for name, pid in self.pids.items() if (seconds := cpu_of(pid)) is not None}
        return {HERE: time.process_time(), **used}

    def _server_pid(self) -> int:
        return int((self.data / "broker" / "nats-server.pid").read_text())

    async def _start(self, name: str, *words: str) -> Mapping[str, object]:
        daemon = await start_daemon(name, [*words, "--log-level", "warning"], self.data, self._env)
        self._opened.push_async_callback(daemon.stop)
        ready: Mapping[str, object] = msgspec.json.decode(daemon.ready)
        return ready


@asynccontextmanager
async def running_fleet(*, insecure: bool = False, sync: str = "2m") -> AsyncIterator[Processes]:
    """A fleet without children, apart from any other on this machine; `sync` is its broker's."""
    async with AsyncExitStack() as opened:
        data = opened.enter_context(_place())
        processes = Processes(data, opened, insecure=insecure, sync=sync)
        await processes.up()
        yield processes


@asynccontextmanager
async def bare_broker() -> AsyncIterator[str]:
    """The URL of a nats-server that asks nobody who they are, for the floors: no fleet uses it."""
    with _place() as data:
        broker = EmbeddedBroker(data)
        await broker.start()
        try:
            yield broker.url
        finally:
            await broker.stop()


def memory_mb(pid: int) -> float | None:
    """What of the process is in memory; `None` where there is no /proc, or no such process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1024**2, 1)


def cpu_spent(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    """Microseconds of CPU for each of `count` pieces of work, by process."""
    return {name: round((after[name] - before[name]) / count * 1e6, 1) for name in before}


@contextmanager
def _place() -> Iterator[Path]:
    """A folder for a while, which is also where this process looks for fleets: its own environment names none."""
    for name in [name for name in os.environ if name.startswith("FLEETFOLD_")]:
        del os.environ[name]
    data = Path(tempfile.mkdtemp(prefix="fleetfold-bench-"))
    os.environ["FLEETFOLD_STATE"] = str(data / "state")
    try:
        yield data
    finally:
        shutil.rmtree(data, ignore_errors=True)


def cpu_of(pid: int) -> float | None:
    """CPU seconds that the process has used; `None` where there is no /proc, or no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / TICKS
