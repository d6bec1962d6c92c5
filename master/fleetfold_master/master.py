"""The master: opens its store, takes its place on the bus, and keeps everything going until it is stopped."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from fleetfold_broker.secret_file import FILE_MODE, private_folder
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.cluster import ClusterPeers, Membership, Supervisor
from fleetfold_master.runtime import (
    GRACE_S,
    Lifetime,
    Setup,
    drive,
    keep_going,
    open_api,
    open_auth,
    open_engines_of_work,
    open_infrastructure,
    serve,
)
from fleetfold_master.search import Federation, Own, OwnCollections
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.config import (
    AccessConfig,
    AskConfig,
    CallbacksConfig,
    LimitsConfig,
    RetentionConfig,
    SearchConfig,
)
from fleetfold_shared.errors import Conflict
from fleetfold_shared.redaction import Redactor
from fleetfold_shared.urls import shown

__all__ = ["LocalKey", "Master"]

log = structlog.get_logger(__name__)

LOCAL = "cli"
"""The identity of the commands on the master's machine."""

LocalKey = Callable[[str | None], Awaitable[str]]
"""Gives an API key for them: the one it is given if that is still good, else a new one."""


class Master:
    """One master. Its truth is the database below `data` (or at `database`); the broker may lose everything.

    `federation` is there once it has started. `own` are collections of its own, searched beside the nodes'; who passes
    them closes them after the master. `keep_key` is called before anybody is let in, with what gives the key for
    commands on this machine: who waits for the fleet here finds it as soon as the fleet answers.
    """

    federation: Federation
    _access: AccessContainer
    _together: ClusterPeers

    def __init__(
        self,
        url: str,
        *,
        data: Path,
        database: str | None = None,
        prefix: str = "fleet",
        heartbeat_s: float = 5.0,
        access: AccessConfig | None = None,
        keys: Path | None = None,
        tls: ssl.SSLContext | None = None,
        ask: AskConfig | None = None,
        clock: Clock | None = None,
        search: SearchConfig | None = None,
        own: OwnCollections | None = None,
        callbacks: CallbacksConfig | None = None,
        retention: RetentionConfig | None = None,
        redact: Sequence[str] = (),
        limits: LimitsConfig | None = None,
        keep_key: Callable[[LocalKey], Awaitable[None]] | None = None,
    ) -> None:
        self._setup = Setup(
            url=url, subjects=Subjects(prefix), data=data, keys=keys or data / "keys", tls=tls,
            database=database or f"sqlite:///{(data / 'master.db').resolve()}", heartbeat_s=heartbeat_s,
            clock=clock or SystemClock(), own=None if own is None else Own(own), access=access or AccessConfig(),
            search=search or SearchConfig(), ask=ask or AskConfig(), callbacks=callbacks or CallbacksConfig(),
            retention=retention or RetentionConfig(), redact=Redactor(redact, "master.redact"),
            limits=limits or LimitsConfig(),
        )  # fmt: skip
        self._keep_key = keep_key
        self._span = Lifetime(self._setup.clock)
        self._claimed: FileLock | None = None
        self._membership: Membership | None = None
        self._lives = Supervisor(self._start, self._end, self._setup.clock)

    @property
    def documents(self) -> dict[str, int]:
        """How many documents each of its own collections holds."""
        own = [] if self._setup.own is None else self._setup.own.description().collections
        return {collection.name: collection.documents for collection in own}

    async def start(self) -> None:
        """Return when it serves. `Unavailable` without a broker, `InvalidInput` for a database it cannot use."""
        self._claimed = self._claim()
        try:
            await self._lives.start()
        except BaseException:
            self._claimed.release()
            raise
        log.info("master.up", url=shown(self._setup.url))

    async def stop(self) -> None:
        """Finish what is being served and part. Jobs and transactions go on at another master, or at the next start."""
        try:
            await self._lives.stop()
        finally:
            if self._claimed is not None:
                self._claimed.release()

    async def local_key(self, existing: str | None = None) -> str:
        """An API key of the role admin for the commands on this machine: `existing`, if it is still good."""
        return await self._access.keys.ensure(LOCAL, "admin", existing)

    async def _start(self) -> Membership:
        """Begin a life, from the ground up: what is opened last is closed first."""
        span = self._span = Lifetime(self._setup.clock)
        ground = await open_infrastructure(self._setup, span)
        self._membership = ground.membership
        door = await open_auth(ground, self._before_anybody)
        work = await open_engines_of_work(ground)
        together = self._together = await drive(ground, door, work)
        desk = await open_api(ground, door, work, together)
        self.federation = desk.federation
        await serve(ground, door, desk)
        span.at_end(work.transactions.let_go)  # before the service waits for what it is serving
        work.outbox.start(ground.bus)
        keep_going(ground, door, work, desk, together)
        return ground.membership

    async def _before_anybody(self, access: AccessContainer) -> None:
        self._access = access
        if self._keep_key is not None:
            await self._keep_key(self.local_key)

    async def _end(self) -> None:
        """End a life; when its place is lost nothing that it still does can count, and it takes no time for that."""
        lost = self._membership is not None and self._membership.lost.is_set()
        await self._span.end(0.0 if lost else GRACE_S)

    def _claim(self) -> FileLock:
        """One master for each data directory; the kernel lets go of it however the process ends."""
        private_folder(self._setup.data)
        lock = FileLock(self._setup.data / "master.lock", mode=FILE_MODE)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Conflict(
                f"another master already uses {self._setup.data}: stop it, or name another with --data"
            ) from None
        return lock
