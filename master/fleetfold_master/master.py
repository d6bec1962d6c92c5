"""The master: opens its store, joins the masters of its database, connects to the bus, and serves until stopped."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.secret_file import private_folder
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.cluster import ClusterPeers, Membership
from fleetfold_master.recovery import Restoration
from fleetfold_master.runtime import (
    GRACE_S,
    Lifetime,
    MasterSettings,
    Supervisor,
    event_subscribers,
    open_api,
    open_auth,
    open_cluster,
    open_engines,
    open_infrastructure,
    resume_work,
    serve,
    start_delivery,
    start_periodic_tasks,
)
from fleetfold_master.search import Federation, OwnCollections, OwnNode
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.config import (
    AccessConfig,
    AnsweringConfig,
    CallbacksConfig,
    LimitsConfig,
    RetentionConfig,
    SearchConfig,
)
from fleetfold_shared.redaction import Redactor
from fleetfold_shared.urls import redacted_url

__all__ = ["LocalKey", "Master"]

log = structlog.get_logger(__name__)

LOCAL = "cli"
"""The identity of the commands on the master's machine."""

LocalKey = Callable[[str | None], Awaitable[str]]
"""Returns an API key for them: the given one if it is still valid, else a new one."""


class Master:
    """One master. The database below `data` (or at `database`) is the only durable state; the broker may lose
    everything.

    `federation` exists after `start`. `own` are collections of the master itself, searched beside the nodes'; the
    caller who passes them closes them after the master. `keep_key` is awaited before anybody is admitted, with a
    function that returns the API key for commands on this machine, so that the key is there when the fleet answers.
    With `new`, a database that is lost or damaged may begin anew; `restored` says that it is an old copy, put back. It
    is checked every `check_every_s` seconds.
    """

    federation: Federation
    _access: AccessContainer
    _cluster: ClusterPeers
    _restoration: Restoration

    # The tables of the settings by keyword, all optional: `MasterSettings` is the value that is made of them.
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
        ask: AnsweringConfig | None = None,
        clock: Clock | None = None,
        search: SearchConfig | None = None,
        own: OwnCollections | None = None,
        callbacks: CallbacksConfig | None = None,
        retention: RetentionConfig | None = None,
        redact: Sequence[str] = (),
        limits: LimitsConfig | None = None,
        keep_key: Callable[[LocalKey], Awaitable[None]] | None = None,
        new: bool = False,
        restored: bool = False,
        check_every_s: float = 86_400.0,
    ) -> None:
        self._setup = MasterSettings(
            url=url, subjects=Subjects(prefix), data=data, keys=keys or data / "keys", tls=tls,
            database=database or f"sqlite:///{(data / 'master.db').resolve()}", heartbeat_s=heartbeat_s,
            clock=clock or SystemClock(), own=None if own is None else OwnNode(own), access=access or AccessConfig(),
            search=search or SearchConfig(), ask=ask or AnsweringConfig(), callbacks=callbacks or CallbacksConfig(),
            retention=retention or RetentionConfig(), redact=Redactor(redact, "master.redact"),
            limits=limits or LimitsConfig(), new=new, restored=restored, check_every_s=check_every_s,
        )  # fmt: skip
        self._keep_key = keep_key
        self._lifetime = Lifetime(self._setup.clock)
        self._lock = FileLock(data / "master.lock")
        self._membership: Membership | None = None
        self._supervisor = Supervisor(self._start, self._end, self._setup.clock)

    @property
    def documents(self) -> dict[str, int]:
        """The number of documents in each of the master's own collections."""
        own = [] if self._setup.own is None else self._setup.own.description().collections
        return {collection.name: collection.documents for collection in own}

    async def start(self) -> None:
        """Start, and return when it serves. Raises `Unavailable` without a broker, `InvalidInput` for an unusable
        database."""
        private_folder(self._setup.data)
        self._lock.claim(f"another master already uses {self._setup.data}: stop it, or name another with --data")
        try:
            await self._supervisor.start()
        except BaseException:
            self._lock.release()
            raise
        log.info("master.up", url=redacted_url(self._setup.url))

    async def stop(self) -> None:
        """Finish the requests in progress and stop. Jobs and transactions continue at another master, or at the next
        start."""
        try:
            await self._supervisor.stop()
        finally:
            self._lock.release()

    async def local_key(self, existing: str | None = None) -> str:
        """Return an API key of role admin for commands on this machine: `existing` if it is still valid, else a new
        one."""
        return await self._access.keys.ensure(LOCAL, "admin", existing)

    async def _start(self) -> Membership:
        """Build all parts in order of dependency."""
        lifetime = self._lifetime = Lifetime(self._setup.clock)
        infra = await open_infrastructure(self._setup, lifetime)
        self._setup = replace(self._setup, new=False, restored=False)
        self._membership = infra.membership
        auth = await open_auth(infra, self._before_anybody)
        engines = await open_engines(infra)
        self._restoration = engines.restoration
        cluster = self._cluster = await open_cluster(infra, auth, engines)
        await resume_work(infra, engines, cluster)
        await start_delivery(infra, engines, cluster)
        wiring = await open_api(infra, auth, engines, cluster)
        self.federation = wiring.federation
        infra.events.open(event_subscribers(infra, auth))
        await serve(infra, auth, wiring)
        lifetime.on_close(
            engines.transactions.release_followers
        )  # before the server waits for the requests in progress
        engines.outbox.start(infra.bus)
        start_periodic_tasks(infra, auth, engines, wiring)
        return infra.membership

    async def _before_anybody(self, access: AccessContainer) -> None:
        self._access = access
        if self._keep_key is not None:
            await self._keep_key(self.local_key)

    async def _end(self) -> None:
        """Close all parts; without a grace period if the lease is lost, because nothing can be written any more."""
        lost = self._membership is not None and self._membership.lost.is_set()
        await self._lifetime.end(0.0 if lost else GRACE_S)
