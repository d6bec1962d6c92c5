"""The essentials, with a server that is not ours: found by its URL alone."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.callout import Callout
from fleetfold_broker.identity.server_accounts import identity_config
from fleetfold_broker.identity.user_jwt import Issuer
from fleetfold_broker.jetstream.confirmed_publisher import ConfirmedPublisher
from fleetfold_broker.jetstream.pull_consumer import PullConsumer
from fleetfold_broker.jetstream.topology import COMMANDS, MASTERS, RESULTS, Topology
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.scatter import ScatterClient
from fleetfold_broker.rpc.scatter_responder import serve_node
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.messages import Command, CommandResult, Message, Pong, decode
from fleetfold_shared.verbs.node_requests import PING
from support.broker import command_consumer, emptied
from support.guarded import Shows, anyone
from support.wait import eventually

IDENTITY = "identity/fleet.conf"
"""What nats.conf includes."""
IMAGE = 'FROM scratch\nCOPY nats-server /nats-server\nENTRYPOINT ["/nats-server", "-js", "-sd", "/data"]\n'


def _engine() -> str:
    """Why there is no Docker engine to use; empty when there is one."""
    docker = shutil.which("docker")
    if docker is None:
        return "there is no docker command"
    said = subprocess.run(
        [docker, "info", "--format", "{{.ID}}"], capture_output=True, text=True, check=False, timeout=20
    )
    return "" if said.returncode == 0 and said.stdout.strip() else f"no Docker engine answers: {said.stderr.strip()}"


@pytest.fixture(scope="module")
def url(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a container, from an image of nothing but its binary: no registry is asked."""
    if why := _engine():
        pytest.skip(f"NOT PROVEN HERE: {why}")
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.image import DockerImage

    testcontainers_config.ryuk_disabled = True  # its image would be pulled; the `with` below tidies up
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(Path(nats_server).resolve(), folder / "nats-server")
    (folder / "Dockerfile").write_text(IMAGE)
    with (
        DockerImage(path=str(folder), tag="fleetfold-test-nats:local") as image,
        DockerContainer(str(image)).with_exposed_ports(4222) as container,
    ):
        yield f"nats://{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"


@asynccontextmanager
async def _admitting(url: str, keys: BrokerKeys | None) -> AsyncIterator[None]:
    """A master that lets everybody in; nobody has to at a broker without identity."""
    if keys is None:
        yield
        return
    async with await Bus.open(ConnectionOptions(url=url, caller="master", seed=keys.auth)) as auth:
        callout = Callout(auth, Issuer(keys.issuer), Subjects(), anyone)
        await callout.start()
        yield
        await callout.stop()


async def _essentials(url: str, keys: BrokerKeys | None = None) -> None:
    """Ask a node, send it a durable command, and take its result; with `keys`, each as what it is."""
    as_master = ConnectionOptions(url=url, caller="master", seed=keys.fleet if keys else "")
    async with (
        _admitting(url, keys),
        await Bus.open(as_master) as master,
        await Bus.open(as_master) as asking,
        await Bus.connect(url, "shop", credential=Shows("a token") if keys else None) as shop,
    ):
        kept = ConfirmedPublisher(shop)
        streams, gatherer = Topology(master), ScatterClient(asking)
        service, results = RequestServer(shop, "fleetfold-shop", version="1.2.3"), list[str]()

        async def ping(call: Call) -> Message:
            return Pong(incarnation="x")

        async def handle(command: Command, age_s: float) -> None:
            result = CommandResult(id=command.id, attempt=1, epoch=0, outcome="ok")
            await kept.publish("fleet.res.shop", result)

        async def take(call: Call) -> None:
            results.append(decode(call.body, CommandResult).id)

        await streams.ensure_streams()
        await streams.ensure_node("shop", 8)
        await kept.start()
        await serve_node(service, shop, "shop", {PING: ping})
        deliveries, pull = command_consumer(shop, "shop", handle), PullConsumer(master, RESULTS, MASTERS, take)
        await deliveries.start()
        await pull.start()
        await gatherer.start()
        await shop.connection.barrier()
        answers = await gatherer.ask("ping", ["shop", "dead"], b"{}", 30.0)
        assert answers["shop"].error is None
        assert answers["dead"].error is not None
        await asyncio.gather(
            *(
                master.publish_durably("fleet.cmd.shop", Command(id=str(n), attempt=1, action="x"), f"{n}#1")
                for n in range(50)
            )
        )
        await emptied(master, COMMANDS)
        await emptied(master, RESULTS)
        assert sorted(results) == sorted(str(n) for n in range(50))
        await pull.stop()
        await deliveries.stop()
        await service.stop()


async def test_the_essentials_work_with_a_server_in_a_container(url: str) -> None:
    await _essentials(url)


async def test_the_essentials_work_with_the_production_configuration(nats_server: str, tmp_path: Path) -> None:
    """The same nats.conf, but for its ports and its store, and with identities."""
    keys = BrokerKeys.generate()
    (tmp_path / IDENTITY).parent.mkdir()
    (tmp_path / IDENTITY).write_text(identity_config(keys.public), encoding="utf-8")
    text = (Path(__file__).parents[4] / "nats.conf").read_text(encoding="utf-8")
    for ours, here in (
        ('"0.0.0.0:4222"', '"127.0.0.1:-1"'), ('"127.0.0.1:8222"', '"127.0.0.1:-1"'), ('"/data"', f'"{tmp_path}/data"'),
    ):  # fmt: skip
        assert ours in text
        text = text.replace(ours, here)
    (tmp_path / "nats.conf").write_text(text + f'\nports_file_dir: "{tmp_path}"\n', encoding="utf-8")
    log = tmp_path / "log"
    server = await asyncio.create_subprocess_exec(nats_server, "-c", str(tmp_path / "nats.conf"), "-l", str(log))
    try:
        await _essentials(await _address(tmp_path), keys)
    finally:
        server.terminate()
        await server.wait()


async def _address(folder: Path) -> str:
    """Where the server listens, as it says in its ports file."""
    found: list[str] = []

    def written() -> bool:
        for file in folder.glob("*.ports"):
            if text := file.read_bytes():
                found.extend(msgspec.json.decode(text)["nats"])
        return bool(found)

    await eventually(written)
    return found[0]
