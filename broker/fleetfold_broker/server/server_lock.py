"""What an embedded server has to itself on this machine before it runs: its store, and its port."""

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
"""A server takes 10 ms for each consumer to stop."""


async def hold_store(directory: Path) -> int:
    """A lock on the store that the server inherits, so that it lasts as long as its owner or it lives.

    Waits for the server of an owner that was killed: two on one store would spoil it.
    """
    held = os.open(directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        async with asyncio.timeout(TAKE_OVER_S):
            while not _locked(held):  # noqa: ASYNC110 (a file lock tells nobody when it is free)
                await asyncio.sleep(0.02)
    except BaseException as error:
        os.close(held)
        if not isinstance(error, TimeoutError):
            raise
        raise Conflict(f"a former server still runs in {directory}: end it, or name another directory") from None
    return held


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def claim_port(host: str, port: int) -> int:
    """`port`, or a free one for 0; `Conflict` when somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Conflict(
                f"port {port} on {host} is in use ({error.strerror}): stop what listens there, or choose another --port"
            ) from None
        return int(probe.getsockname()[1])
