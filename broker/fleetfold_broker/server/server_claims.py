"""Exclusive claims of an embedded server on this machine: its store and its port."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from fleetfold_broker.file_lock import LOOK_S, FileLock
from fleetfold_shared.errors import Conflict

__all__ = ["claim_port", "hold_store"]

TAKE_OVER_S = 60.0
"""Seconds to wait for a former server to stop: it takes 10 ms for each consumer."""


async def hold_store(directory: Path) -> FileLock:
    """Lock the store. The server inherits the lock's descriptor, so the lock lasts as long as its owner or it lives.

    Waits up to `TAKE_OVER_S` for the server of a killed owner, because two on one store would corrupt it; then raises
    `Conflict`.
    """
    lock = FileLock(directory / "server.lock")
    try:
        async with asyncio.timeout(TAKE_OVER_S):
            while not lock.acquire():  # noqa: ASYNC110 (a file lock does not notify)
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Conflict(f"a former server still runs in {directory}: end it, or name another directory") from None
    return lock


def claim_port(host: str, port: int) -> int:
    """Return `port`, or a free one for 0. Raises `Conflict` when the port is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Conflict(
                f"port {port} on {host} is in use ({error.strerror}): stop what listens there, or choose another --port"
            ) from None
        return int(probe.getsockname()[1])
