"""Monitor of an embedded server's store: whether the server still writes to it, and the space of its volume.

After one failed write, nats-server answers no publish to that stream any more, also when there is room again: only its
restart ends that. Its `/healthz` reports such a stream. It is served on the loopback interface below a secret path,
since nats-server asks nobody for a password there.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from pathlib import Path

import msgspec

from fleetfold_broker.disk_space import DiskSpace
from fleetfold_broker.server.health_report import HealthReport
from fleetfold_broker.server.server_claims import claim_port
from fleetfold_shared.errors import Conflict

__all__ = ["StoreMonitor"]

HOST = "127.0.0.1"
ANSWER_S = 5.0


class StoreMonitor:
    """The monitoring endpoint of one nats-server, whose store is in `directory`. `assign` it before each start of the
    server.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port, self._path = 0, f"/{secrets.token_hex(16)}"

    def assign(self) -> str:
        """Choose the port; return the lines of the server's configuration. They stay the same if the port is still
        free: on a full disk the file could not be written again.
        """
        self._port = _free_port(self._port)
        return f'http: "{HOST}:{self._port}"\nhttp_base_path: "{self._path}"'

    def space(self) -> DiskSpace:
        """Return the space of the store's volume."""
        return DiskSpace.of(self._directory)

    async def failure(self) -> str | None:
        """Return why the server cannot store, in its words; None when it can. Raises `TimeoutError` or `OSError` when
        it does not answer.
        """
        async with asyncio.timeout(ANSWER_S):
            return msgspec.json.decode(await self._get("healthz?details=true"), type=HealthReport).failure()

    async def _get(self, what: str) -> bytes:
        """Return the body of the answer: HTTP/1.0, so that it ends with the connection."""
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            writer.write(f"GET {self._path}/{what} HTTP/1.0\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return answer.partition(b"\r\n\r\n")[2]


def _free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else another port."""
    try:
        return claim_port(HOST, wanted)
    except Conflict:
        return claim_port(HOST, 0)
