"""Exclusive claims of an embedded server on this machine: its store and its port."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from pathlib import Path

from fleetfold_broker.secret_file import FILE_MODE
from fleetfold_shared.errors import Conflict

__all__ = ["claim_port", "hold_store"]

TAKE_OVER_S = 60.0
"""Seconds to wait for a former server to stop: it takes 10 ms for each consumer."""


async def hold_store(directory: Path) -> int:
    """Lock the store and return the file descriptor. The server inherits it, so the lock lasts as long as its owner or
    it lives.

    Waits up to `TAKE_OVER_S` for the server of a killed owner, because two on one store would corrupt it; then raises
    `Conflict`.
    """
    file = os.open(directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        async with asyncio.timeout(TAKE_OVER_S):
            while not _locked(file):  # noqa: ASYNC110 (a file lock does not notify)
                await asyncio.sleep(0.02)
    except BaseException as error:
        os.close(file)
        if not isinstance(error, TimeoutError):
            raise
        raise Conflict(f"a former server still runs in {directory}: end it, or name another directory") from None
    return file


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
