"""Three real nats-servers in a cluster, each with the files for production, to be killed, frozen and wiped.

They differ from production in their addresses, their store, and a quick `sync_interval`: a machine that tests has one
disk for all three.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from pathlib import Path

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.server_accounts import identity_config
from fleetfold_broker.jetstream.topology import ABANDONED, COMMANDS, EVENTS, RESULTS
from fleetfold_broker.server.parent_death_signal import die_with_parent
from fleetfold_shared.errors import DeadlineExceeded, Unavailable
from support.wait import eventually

__all__ = ["NatsCluster"]

ROOT = Path(__file__).parents[2]
SERVERS = ("one", "two", "three")
STREAMS = (COMMANDS, RESULTS, EVENTS, ABANDONED)
ROUTES = """\
authorization {{ user: route, password: "the secret of the routes", timeout: 5 }}
routes: [{routes}]
"""


class _Peer(msgspec.Struct, frozen=True):
    name: str
    current: bool = False
    offline: bool = False


class _Raft(msgspec.Struct, frozen=True):
    leader: str = ""
    replicas: list[_Peer] = []


class _StreamInfo(msgspec.Struct, frozen=True):
    cluster: _Raft = _Raft()


class NatsCluster:
    """The servers by name, below `place`; `keys` are those of the masters that decide on logins."""

    def __init__(self, binary: str, place: Path, keys: BrokerKeys) -> None:
        self._binary, self._place, self._keys = binary, place, keys
        self._ports = dict(zip(SERVERS, _free_ports(3), strict=True))
        self._routes = dict(zip(SERVERS, _free_ports(3), strict=True))
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._frozen: set[str] = set()

    @property
    def url(self) -> str:
        """The URLs of all servers."""
        return ",".join(f"nats://127.0.0.1:{port}" for port in self._ports.values())

    async def start(self, *names: str) -> None:
        """Start servers, all by default; return when JetStream has a leader in each stream that there is."""
        for name in names or SERVERS:
            await self._spawn(name)
        await eventually(self._has_leader)

    async def kill(self, name: str) -> None:
        """kill -9."""
        self._processes[name].kill()
        await self._processes[name].wait()

    def freeze(self, name: str) -> None:
        """SIGSTOP: cut off from the others and from its clients, and still there."""
        self._processes[name].send_signal(signal.SIGSTOP)
        self._frozen.add(name)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._processes[name].send_signal(signal.SIGCONT)
        self._frozen.discard(name)

    def wipe(self, name: str) -> None:
        """Lose the disk of a server that is dead."""
        shutil.rmtree(self._place / name / "data")

    async def leader(self, stream: str = COMMANDS) -> str:
        """The server that leads the stream; empty while they elect one."""
        return (await self._raft(stream)).leader

    async def complete(self) -> bool:
        """Whether each stream has a leader and two copies that are up to date."""
        rafts = [await self._raft(stream) for stream in STREAMS]
        return all(raft.leader and [peer.current for peer in raft.replicas] == [True] * 2 for raft in rafts)

    async def close(self) -> None:
        """Stop all servers."""
        for name in [*self._frozen]:
            self.thaw(name)
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def _has_leader(self) -> bool:
        try:
            await self._raft(COMMANDS)
        except (Unavailable, DeadlineExceeded):
            return False
        return True

    async def _raft(self, stream: str) -> _Raft:
        """Who leads and who follows in a stream; `Unavailable` without a leader of the whole cluster."""
        options = ConnectionOptions(url=self.url, caller="onlooker", seed=self._keys.fleet, connect_timeout_s=1.0)
        async with await Bus.open(options) as bus:
            reply = await bus.ask(f"$JS.API.STREAM.INFO.{stream}", b"{}", 2.0)
        return msgspec.json.decode(reply.data, type=_StreamInfo).cluster

    async def _spawn(self, name: str) -> None:
        place = self._place / name
        (place / "identity").mkdir(parents=True, exist_ok=True)
        (place / "identity" / "fleet.conf").write_text(identity_config(self._keys.public))
        routes = ", ".join(
            f'"nats://route:the%20secret%20of%20the%20routes@127.0.0.1:{p}"' for p in self._routes.values()
        )
        (place / "identity" / "routes.conf").write_text(ROUTES.format(routes=routes))
        for file, changes in (
            ("nats.conf", {
                '"0.0.0.0:4222"': f'"127.0.0.1:{self._ports[name]}"', '"127.0.0.1:8222"': '"127.0.0.1:-1"',
                '"/data"': f'"{place}/data"', "sync_interval: always": 'sync_interval: "2m"',
            }),
            ("nats-cluster.conf", {'"0.0.0.0:6222"': f'"127.0.0.1:{self._routes[name]}"'}),
        ):  # fmt: skip
            (place / file).write_text(_changed((ROOT / file).read_text(encoding="utf-8"), changes))
        self._processes[name] = await asyncio.create_subprocess_exec(
            self._binary, "-c", str(place / "nats-cluster.conf"), "-l", str(place / "log"),
            env={**os.environ, "FLEETFOLD_SERVER": name}, preexec_fn=die_with_parent,
        )  # fmt: skip


def _changed(text: str, changes: dict[str, str]) -> str:
    for ours, here in changes.items():
        assert ours in text
        text = text.replace(ours, here)
    return text


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
