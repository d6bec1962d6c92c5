"""A fleet of real processes: `fleetfold broker`, `master` and `child` as installed, killed and started again.

All of them live below one folder, which is their state directory, so the commands find them as users' commands do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold.client import Client
from fleetfold_demo.processes import DaemonProcess, start_daemon
from support.versions import Version
from support.wait import eventually

__all__ = ["Fleet", "Said", "fleetfold", "python", "running_fleet", "write_jsonl"]

TESTS = Path(__file__).parents[1]
COMMAND_S = 60.0
SECRETS = [f"FLEETFOLD_{name}{suffix}" for name in ("API_KEY", "JOIN") for suffix in ("", "_FILE")]


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, which must be one JSON document."""
        return msgspec.json.decode(self.out)


async def fleetfold(*words: str, timeout_s: float = COMMAND_S, env: Mapping[str, str] | None = None) -> Said:
    """Run the installed command to its end; `TimeoutError` when it hangs."""
    return await python("-m", "fleetfold", *words, timeout_s=timeout_s, env=env)


async def python(*words: str, timeout_s: float = COMMAND_S, env: Mapping[str, str] | None = None) -> Said:
    """Run this Python to its end, in `env` or this process's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=env,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


class Fleet:
    """The daemons by name: `broker`, `master`, and the children's own. `place` is their state directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._daemons: dict[str, DaemonProcess] = {}
        self._words: dict[str, list[str]] = {}
        self._env: dict[str, Mapping[str, str] | None] = {}
        self._python: dict[str, str] = {}
        self._frozen: set[str] = set()

    @property
    def url(self) -> str:
        """Where the broker listens."""
        return str(self.ready("broker")["url"])

    def ready(self, name: str) -> dict[str, Any]:
        """What the daemon said when it was up."""
        found: dict[str, Any] = msgspec.json.decode(self._daemons[name].ready)
        return found

    async def start(
        self, name: str, *words: str, env: Mapping[str, str] | None = None, once: Sequence[str] = ()
    ) -> None:
        """Start the daemon `name` with `fleetfold WORDS`, in `env` or this process's; return when it is up.

        The words of `once` are for this start only.
        """
        self._words[name] = [*words, "--json"]
        if env is not None or name not in self._python:
            self._env[name] = env
        await self._start_again(name, *once)

    async def install(self, version: Version, *names: str) -> None:
        """Stop the daemons that run, and start them again as this version. New ones will be started as it."""
        for name in names:
            self._env[name], self._python[name] = version.env, version.python
            if name in self._daemons:
                await self.stop(name)
                await self._start_again(name)

    async def start_core(self) -> None:
        """A broker on a free port, which it keeps from then on, and a master."""
        await self.start_broker()
        await self.start("master", "master")

    async def start_broker(self) -> None:
        """A broker on a free port, which it keeps from then on."""
        await self.start("broker", "broker", "--port", "0")
        self._words["broker"] = ["broker", "--port", self.url.rpartition(":")[2], "--json"]

    async def start_second_master(self, name: str = "second") -> None:
        """Another master on the database and the keys of the first, with a data directory of its own."""
        database = f"sqlite:///{(self.place / 'master' / 'master.db').resolve()}"
        await self.start(name, "master", "--data", str(self.place / name), "--database", database)

    async def start_child(self, name: str, *words: str) -> None:
        """Start a child; it has the actions of `support.books`."""
        await self.start(name, "child", "--name", name, "--actions", "support.books:ACTIONS", *words)

    async def restart(self, *names: str) -> None:
        """Start dead daemons again as they were started first: the broker before those that need it."""
        if "broker" in names:
            await self._start_again("broker")
        await asyncio.gather(*(self._start_again(name) for name in names if name not in {"broker", "server"}))

    async def kill(self, *names: str) -> None:
        """kill -9. `server` is the nats-server alone, which its broker then starts again."""
        for name in names:
            if name == "server":
                self.kill_server()
            else:
                await self._daemons[name].kill()
            if name == "broker":
                await eventually(self._port_is_free)

    async def stop(self, name: str) -> None:
        """SIGTERM, and wait for its end."""
        await self._daemons[name].stop()

    async def revive(self, *names: str) -> list[str]:
        """Start those again whose process has ended by itself; return their names."""
        ended = [name for name in names if self._daemons[name].has_ended]
        for name in ended:
            await self._start_again(name)
        return ended

    def rename(self, name: str, other: str) -> None:
        """Call a running daemon by another name, so that a second process can be started under its own."""
        self._daemons[other] = self._daemons.pop(name)
        self._words[other], self._env[other] = self._words.pop(name), self._env.pop(name)
        if name in self._frozen:
            self._frozen.remove(name)
            self._frozen.add(other)

    def has_ended(self, name: str) -> bool:
        """Whether its process has ended."""
        return self._daemons[name].has_ended

    def pid(self, name: str) -> int:
        """Whose process it is; `server` is the nats-server."""
        if name == "server":
            return int((self.place / "broker" / "nats-server.pid").read_text())
        return int(self.ready(name)["pid"])

    def kill_server(self) -> None:
        """kill -9 of the nats-server."""
        os.kill(self.pid("server"), signal.SIGKILL)

    def wipe_streams(self) -> None:
        """Lose all that the broker has stored; it must be dead."""
        shutil.rmtree(self.place / "broker" / "jetstream")

    def freeze(self, name: str) -> None:
        """SIGSTOP: it is there, and says nothing."""
        os.kill(self.pid(name), signal.SIGSTOP)
        self._frozen.add(name)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        os.kill(self.pid(name), signal.SIGCONT)
        self._frozen.discard(name)

    async def client(self) -> Client:
        """A caller; to be closed with `async with`."""
        return await Client.connect(self.url, name="tester")

    def effects(self, child: str) -> list[dict[str, Any]]:
        """What the actions of `support.books` have written down on a child, in that order."""
        connection = sqlite3.connect(self.place / "children" / child / "node.db")
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute("SELECT * FROM effect ORDER BY rowid")]
        finally:
            connection.close()

    async def close(self) -> None:
        """Stop all that runs, the last started first."""
        for name in list(self._frozen):
            self.thaw(name)
        for daemon in reversed(self._daemons.values()):
            await daemon.stop()

    async def _start_again(self, name: str, *once: str) -> None:
        self._daemons[name] = await start_daemon(
            name,
            [*self._words[name], *once],
            self.place,
            self._env[name],
            python=self._python.get(name, sys.executable),
        )

    def _port_is_free(self) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(self.url.rpartition(":")[2])))
            except OSError:
                return False
        return True


@asynccontextmanager
async def running_fleet(place: Path) -> AsyncIterator[Fleet]:
    """An empty fleet in `place`, stopped at the end; meanwhile it is the one that commands find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEETFOLD_STATE", str(place))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])))
        for name in (
            "FLEETFOLD_URL",
            "FLEETFOLD_TEST_DATA",
            "FLEETFOLD_EFFORT",
            *SECRETS,
        ):  # the tests' own are no settings
            patch.delenv(name, raising=False)
        fleet = Fleet(place)
        try:
            yield fleet
        finally:
            await fleet.close()


def write_jsonl(path: Path, records: Iterable[object]) -> Path:
    """A JSONL file of the records."""
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return path
