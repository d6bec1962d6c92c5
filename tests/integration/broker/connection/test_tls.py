"""TLS to a real nats-server: who has the right files gets in; who has not is told in one sentence, at once."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection import supervised as supervised
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.connection.tls import ServerTls, TlsFiles, client_context
from fleetfold_broker.server.certificates import make
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_broker.server.x509 import Authority
from fleetfold_shared.errors import Untrusted
from fleetfold_shared.messages import NodeList
from support.broker import kill, listen
from support.listener import listening
from support.wait import eventually

Run = Callable[[ServerTls], Awaitable[EmbeddedBroker]]


class Files:
    """A CA's files in one directory: those of a server that is trusted, and others that are not good."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        make(directory, [], clients=["shop"])
        make(directory / "other", [], clients=["shop"])
        self._authority = Authority.load((directory / "ca.pem").read_bytes(), (directory / "ca.key").read_bytes())

    def __getitem__(self, name: str) -> str:
        return str(self.directory / name)

    def server(self, *, verify: bool = False) -> ServerTls:
        """With `verify` it is mutual TLS."""
        return ServerTls(cert=self["server.pem"], key=self["server.key"], ca=self["ca.pem"], verify=verify)

    def server_for(self, host: str, days: int) -> ServerTls:
        """Its certificate is for `host` alone, and has expired with `days` 0."""
        pem = self._authority.server([host], days)
        (self.directory / "odd.pem").write_bytes(pem.cert)
        (self.directory / "odd.key").write_bytes(pem.key)
        return ServerTls(cert=self["odd.pem"], key=self["odd.key"])

    def client(self, ca: str | None = "ca.pem", show: str | None = None) -> TlsFiles:
        """What a client is given."""
        return TlsFiles(ca and self[ca], show and self[f"{show}.pem"], show and self[f"{show}.key"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Made once: no test changes them but for its own."""
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def run(nats_server: str, tmp_path: Path) -> AsyncIterator[Run]:
    """Runs a broker that speaks TLS, and stops it."""
    brokers: list[EmbeddedBroker] = []

    async def run(tls: ServerTls) -> EmbeddedBroker:
        brokers.append(EmbeddedBroker(tmp_path / f"broker{len(brokers)}", tls=tls))
        await brokers[-1].start()
        return brokers[-1]

    yield run
    for broker in brokers:
        await broker.stop()


async def _refused(url: str, files: TlsFiles | None) -> str:
    context = client_context(files) if files else None
    with pytest.raises(Untrusted) as refused:
        await Bus.connect(url, "shop", tls=context)
    said = refused.value.message
    assert "\n" not in said
    assert "_ssl.c" not in said
    return said


@pytest.mark.parametrize("verify", [False, True])
async def test_who_has_the_right_files_gets_in(run: Run, files: Files, verify: bool) -> None:
    broker = await run(files.server(verify=verify))
    context = client_context(files.client(show="client-shop" if verify else None))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 has it
    async with await Bus.connect(broker.url, "shop", tls=context) as shop:
        heard = await listen(shop, "fleet.hb.shop")
        await shop.publish("fleet.hb.shop", NodeList())
        await eventually(lambda: len(heard) == 1)


async def test_a_url_that_does_not_say_tls_is_encrypted_all_the_same(run: Run, files: Files) -> None:
    broker = await run(files.server())
    url = f"nats://localhost:{broker.port}"
    async with await Bus.connect(url, "shop", tls=client_context(files.client())) as shop:
        await shop.connection.barrier()
    assert "a CA that is not known here" in await _refused(url, None)


@pytest.mark.parametrize("ca", [None, "other/ca.pem"])
async def test_a_client_without_the_ca_is_told_how_to_get_it(run: Run, files: Files, ca: str | None) -> None:
    broker = await run(files.server())
    said = await _refused(broker.url, files.client(ca))
    assert said == (
        f"the broker at {broker.url} shows a certificate that is signed by a CA that is not known here; "
        "give its certificate with --ca FILE or FLEETFOLD_TLS_CA"
    )


async def test_a_certificate_for_another_host_is_not_taken(run: Run, files: Files) -> None:
    broker = await run(files.server_for("fold.example", 1))
    for host in ("127.0.0.1", "localhost"):
        said = await _refused(f"tls://{host}:{broker.port}", files.client())
        assert f"a certificate that is not for {host};" in said
        assert f"fleetfold certs --force --host {host}" in said


async def test_a_certificate_that_has_expired_is_not_taken(run: Run, files: Files) -> None:
    broker = await run(files.server_for("127.0.0.1", 0))
    assert "has expired; make a new one with `fleetfold certs --force`" in await _refused(broker.url, files.client())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("show", [None, "other/client-shop", "server"])
def test_mutual_tls_lets_in_only_who_shows_a_certificate_of_its_ca(
    nats_server: str, tmp_path: Path, files: Files, show: str | None, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Which of three reasons is told depends on whether the server's last words get through; what to do does not."""

    async def told() -> str:
        broker = EmbeddedBroker(tmp_path / "broker", tls=files.server(verify=True))
        await broker.start()
        try:
            return await _refused(broker.url, files.client(show=show))
        finally:
            await broker.stop()

    with asyncio.Runner(loop_factory=loop) as runner:
        assert "certificate" in (said := runner.run(told()))
    assert "make one with `fleetfold certs --client NAME`" in said
    assert "FLEETFOLD_TLS_CERT" in said


async def test_a_broker_without_tls_is_not_trusted_with_anything() -> None:
    """Whoever stands between could take the word TLS out of the greeting, and read the token."""
    sent = bytearray()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.0","max_payload":1048576,"auth_required":true}\r\n')
        sent.extend(await reader.read())

    async with listening(greet) as port:
        said = await _refused(f"tls://127.0.0.1:{port}", None)
        assert "does not speak TLS, so nothing was sent to it" in said
    assert not sent


def test_the_block_for_production_is_mutual_tls_to_a_real_server(
    nats_server: str, tmp_path: Path, files: Files
) -> None:
    lines = (Path(__file__).parents[4] / "nats.conf").read_text(encoding="utf-8").splitlines()
    block = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[lines.index("# tls {") :])
    config = tmp_path / "nats.conf"
    config.write_text(block.replace("/etc/nats/tls", str(files.directory)))
    said = subprocess.run([nats_server, "-t", "-c", str(config)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "verify: true" in block


async def test_a_connection_mends_itself_and_is_renewed_over_tls(
    run: Run, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.1))
    broker = await run(files.server(verify=True))
    options = ConnectionOptions(url=broker.url, caller="shop", tls=client_context(files.client(show="client-shop")))
    async with await Bus.open(options) as shop:
        heard = await listen(shop, "fleet.hb.shop")
        kill(broker)
        await eventually(lambda: shop.connection.reconnects == 1 and shop.connection.is_up)
        await shop.connection.renew()
        await shop.publish("fleet.hb.shop", NodeList())
        await eventually(lambda: len(heard) == 1)


async def test_a_connection_ends_soon_though_the_broker_does_not_say_goodbye(run: Run, files: Files) -> None:
    broker = await run(files.server())
    shop = await Bus.connect(broker.url, "shop", tls=client_context(files.client()))
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(5):
            await shop.close()
    finally:
        os.kill(broker.pid, signal.SIGCONT)


async def test_a_patient_connection_comes_in_when_the_certificate_has_been_mended(run: Run, files: Files) -> None:
    broker = await run(files.server_for("127.0.0.1", 0))
    waiting = asyncio.create_task(Bus.connect(broker.url, "shop", tls=client_context(files.client()), patient=True))
    await eventually(lambda: "TLS handshake error" in broker.log_file.read_text())
    files.server_for("127.0.0.1", 1)
    kill(broker)
    async with asyncio.timeout(20):
        await (await waiting).close()
