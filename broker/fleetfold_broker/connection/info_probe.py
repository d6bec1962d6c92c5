"""Probe of a server's INFO line: whether the broker requires credentials, and whether it requires TLS."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import urlsplit

import msgspec
import structlog

from fleetfold_shared.backoff import HALF, Backoff, retry
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.urls import redacted_url, server_urls

__all__ = ["ServerInfo", "asks_for_credentials", "probe_info", "wait_for_greeting"]

log = structlog.get_logger(__name__)

INFO_TIMEOUT_S = 2.0
PORT = 4222
BACKOFF = Backoff(0.2, 5.0, 1.5, HALF)
"""Pauses between two probes of a broker that does not answer yet."""


class ServerInfo(msgspec.Struct, frozen=True):
    """The fields of a server's INFO that are used here."""

    auth_required: bool = False
    tls_required: bool = False
    tls_available: bool = False


async def probe_info(url: str) -> ServerInfo:
    """Return the INFO of the first server in the comma-separated `url` that answers. Raises `Unavailable`."""
    why = ""
    for each in server_urls(url):
        try:
            async with asyncio.timeout(INFO_TIMEOUT_S):
                return await _info(each)
        except (OSError, ValueError, msgspec.MsgspecError, TimeoutError) as error:
            why = str(error) or "no answer in time"
    raise Unavailable(
        f"no broker answers at {redacted_url(url)} ({why}); start one with `fleetfold up`, or name another with --url"
    )


async def asks_for_credentials(url: str) -> bool:
    """Tell whether the broker at `url` requires credentials. Raises `Unavailable` when nothing listens there."""
    return (await probe_info(url)).auth_required


async def wait_for_greeting(url: str, waiting: str) -> ServerInfo:
    """Return the broker's INFO, retrying without a limit until it answers; logs the event `waiting` once."""

    def failed(error: Unavailable, failures: int) -> None:
        if failures == 1:
            log.warning(waiting, reason=error.message)

    return await retry(partial(probe_info, url), BACKOFF, Unavailable, failed=failed)


async def _info(url: str) -> ServerInfo:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname or "127.0.0.1", parts.port or PORT)
    try:
        line = await reader.readline()
    finally:
        writer.close()
    if not line.startswith(b"INFO "):
        raise ValueError("what listens there is no NATS server")
    return msgspec.json.decode(line[5:], type=ServerInfo)
