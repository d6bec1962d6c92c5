"""A Redis of one's own for a benchmark, and a worker beside it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Redis", "environment", "running_redis"]

READY_S = 20.0
ROOT = Path(__file__).parents[2]


class Redis:
    """Where it listens; `pids` are those of the server and of what was started beside it."""

    def __init__(self, url: str, server: int) -> None:
        self.url = url
        self.pids: dict[str, int] = {"redis": server}

    @contextmanager
    def worker(self, *words: str) -> Iterator[None]:
        """A worker of this Python with the same environment; ended with all its children."""
        with subprocess.Popen(
            [sys.executable, "-m", *words],
            env=environment(self.url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            self.pids["worker"] = process.pid
            try:
                yield
            finally:
                process.terminate()
                process.wait()


@contextmanager
def running_redis(appendfsync: str) -> Iterator[Redis]:
    """`everysec` syncs once a second, `always` before each answer: everything is in the append-only file."""
    place, port = tempfile.mkdtemp(prefix="fleetfold-bench-redis-"), _free_port()
    words = ["redis-server", "--port", str(port), "--dir", place, "--save", ""]
    words += ["--appendonly", "yes", "--appendfsync", appendfsync]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield Redis(f"redis://127.0.0.1:{port}/0", server.pid)
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(place, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def environment(url: str) -> Mapping[str, str]:
    """What a worker and its caller need to know."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "BENCH_REDIS": url, "PYTHONPATH": path}
