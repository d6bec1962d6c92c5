"""What a broker says first, and what is made of one that says something else or nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleetfold_broker.connection import info_probe as first_words
from fleetfold_broker.connection.info_probe import asks_for_credentials, probe_info
from fleetfold_shared.errors import InvalidInput, Unavailable
from support.listener import listening

INFO = b'INFO {"server_id":"N","auth_required":true,"tls_required":true,"max_payload":1048576} \r\n'


@asynccontextmanager
async def _saying(words: bytes, *, stays: bool = False) -> AsyncIterator[str]:
    """The address of a server that says `words` to whoever comes."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        if stays:
            await asyncio.Event().wait()

    async with listening(say) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_it_is_read() -> None:
    async with _saying(INFO) as address:
        said = await probe_info(f"nats://{address}")
    assert (said.auth_required, said.tls_required, said.tls_available) == (True, True, False)


@pytest.mark.parametrize(("words", "asks"), [(INFO, True), (b'INFO {"server_id":"N"} \r\n', False)])
async def test_whether_it_asks_for_credentials(words: bytes, asks: bool) -> None:
    async with _saying(words) as address:
        for url in (f"nats://{address}", f"tls://{address}", address):
            assert await asks_for_credentials(url) is asks


async def test_the_first_of_several_that_answers_is_believed(nobody: str) -> None:
    async with _saying(INFO) as address:
        assert (await probe_info(f"nats://{nobody}, nats://{address}")).auth_required


async def test_where_nobody_listens_it_says_so_without_the_password(nobody: str) -> None:
    with pytest.raises(Unavailable, match=r"no broker answers at .*; start one with `fleetfold up`") as told:
        await probe_info(f"nats://me:secret@{nobody}")
    assert "secret" not in told.value.message
    assert "\n" not in told.value.message


@pytest.mark.parametrize(
    "words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"INFO {broken\r\n", b"INFO []\r\n", b"x" * 200_000]
)
async def test_what_is_no_broker_is_told_as_that(words: bytes) -> None:
    async with _saying(words) as address:
        with pytest.raises(Unavailable, match="no broker answers at"):
            await probe_info(f"nats://{address}")


async def test_one_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_words, "INFO_TIMEOUT_S", 0.05)
    async with _saying(b"", stays=True) as address:
        with pytest.raises(Unavailable, match="no answer in time"):
            await probe_info(f"nats://{address}")


@pytest.mark.parametrize("url", ["", "nats://127.0.0.1:notaport", "nats://[::1", "nats://127.0.0.1:99999"])
async def test_a_url_that_is_none_is_told_as_that(url: str) -> None:
    with pytest.raises(InvalidInput, match="is no address of a broker"):
        await probe_info(url)
