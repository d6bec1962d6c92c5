"""Supervision of an embedded nats-server: it is started again when it dies, hangs, or can store nothing although there
is room; on an empty store when the present one is damaged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from fleetfold_broker.disk_watch import DiskWatch
from fleetfold_broker.server.health_report import is_damage
from fleetfold_broker.server.server_process import ServerProcess
from fleetfold_broker.server.store_monitor import StoreMonitor
from fleetfold_broker.server.store_quarantine import StoreQuarantine, prevents_start
from fleetfold_shared.backoff import Backoff
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.errors import Unavailable

__all__ = ["Supervision"]

log = structlog.get_logger(__name__)

CHECK_S = 1.0
"""Seconds between two checks of a running server."""
SILENT_S = 15.0
"""Seconds without an answer from its monitoring after which a running server counts as hung."""
RESTART = Backoff(0.2, 10.0)
"""Delays before restarts that follow each other without a good check in between."""


class Supervision:
    """The present server, which `spawn` starts, and the task that keeps it able to store. `monitor` looks at it."""

    def __init__(
        self,
        spawn: Callable[[], Awaitable[ServerProcess]],
        monitor: StoreMonitor,
        quarantine: StoreQuarantine,
        clock: Clock | None = None,
    ) -> None:
        self._spawn, self._monitor, self._clock = spawn, monitor, clock or SystemClock()
        self._quarantine = quarantine
        self._damage = ""
        self._disk = DiskWatch("broker", monitor.space, "nothing is stored", self._clock)
        self._heard = 0.0
        self._failures = 0
        self.server: ServerProcess | None = None
        self.restarts = 0

    async def start(self) -> None:
        """Start the first server. Raises `Unavailable` when it does not come up."""
        try:
            self.server = await self._started()
        except Unavailable as error:
            if not self._set_aside(error):
                raise
            self.server = await self._started()

    async def run(self) -> None:
        """Watch the server for ever."""
        while True:
            if self.server is None or await self.server.ended(CHECK_S):
                await self._restart("it ended" if self.server is None else f"it ended with {self.server.exit_code}")
            elif (reason := await self._failure()) and self._disk.room != "full" and self._is_certain(reason):
                await self._restart(reason)

    async def _failure(self) -> str | None:
        """Return why the server must be started again; None when it works or when its end is not certain yet."""
        self._disk.look()
        try:
            failure = await self._monitor.failure()
        except (OSError, TimeoutError, msgspec.DecodeError):
            silent_s = self._clock.monotonic() - self._heard
            return f"it has not answered for {silent_s:.0f} s" if silent_s >= SILENT_S else None
        self._heard = self._clock.monotonic()
        if failure is None:
            self._failures, self._damage = 0, ""
        return failure

    def _is_certain(self, reason: str) -> bool:
        """Tell whether to act on a failure: of damage only when it is found twice, since masters mend some of it."""
        seen, self._damage = self._damage, reason if is_damage(reason) else ""
        return not self._damage or seen == reason

    def _set_aside(self, error: Exception) -> bool:
        """Move the store away if it keeps the server from starting; return whether it was."""
        return prevents_start(error) and self._disk.room == "enough" and self._quarantine.move(str(error))

    async def _restart(self, reason: str) -> None:
        """Stop the server if it runs, and start it again after a delay."""
        self._failures += 1
        self.restarts += 1
        log.warning("broker.restarts", reason=reason, attempt=self._failures)
        if self.server is not None:
            await self.server.stop()
        self.server = None
        if is_damage(reason):
            self._quarantine.move(reason)
        await self._clock.sleep(RESTART.delay_s(self._failures))
        self._disk.look()
        try:
            self.server = await self._started()
        except (Unavailable, OSError) as error:
            log.warning("broker.not_started", reason=str(error), failures=self._failures)
            self._set_aside(error)

    async def _started(self) -> ServerProcess:
        server = await self._spawn()
        self._heard = self._clock.monotonic()
        return server
