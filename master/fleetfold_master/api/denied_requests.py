"""The log of denied requests: all are counted, and a limited number per identity is written to the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError, RateLimited
from fleetfold_shared.messages import AuditOutcome

__all__ = ["AuditSink", "DeniedRequests"]

WINDOW_S = 60.0
MOST_LOGGED_FORBIDDEN, MOST_LOGGED_LIMITED = 10, 1
"""How many denials per identity and minute are audited in full (forbidden, rate limited); the rest as a number."""


class AuditSink(Protocol):
    """The audit log, as this package writes to it."""

    def note(
        self, who: str, what: str, outcome: AuditOutcome, *,
        role: str = "", node: str = "", target: str = "", reason: str = "", source: str = "", ms: float | None = None,
    ) -> None:  # fmt: skip
        """Add an entry; it is written within a moment."""

    async def write(
        self, who: str, what: str, outcome: AuditOutcome, *,
        role: str = "", node: str = "", target: str = "", reason: str = "", source: str = "", ms: float | None = None,
    ) -> None:  # fmt: skip
        """Add an entry, and return when it is committed."""


@dataclass(slots=True)
class _Window:
    began_at: float
    role: str
    seen: int = 0
    logged: int = 0


class DeniedRequests:
    """Counts since the start. The owner calls `settle` periodically, which writes the numbers."""

    def __init__(self, audit: AuditSink, where: Callable[[str], str], clock: Clock) -> None:
        self._audit, self._where, self._clock = audit, where, clock
        self._windows: dict[tuple[str, bool], _Window] = {}
        self.forbidden = self.limited = 0

    def count(self, who: str, role: str, verb: str, error: FleetfoldError, touched: AuditSubject) -> None:
        """Count one request of `who` that was denied with `error`."""
        limited = isinstance(error, RateLimited)
        self.limited += limited
        self.forbidden += not limited
        window = self._window(who, role, limited)
        window.seen += 1
        if window.logged < (MOST_LOGGED_LIMITED if limited else MOST_LOGGED_FORBIDDEN):
            window.logged += 1
            self._audit.note(
                who, verb, "refused", role=role, node=touched.node, target=touched.target, reason=error.message,
                source=self._where(who),
            )  # fmt: skip

    def settle(self) -> None:
        """Write the numbers of completed minutes to the audit log, and reset them."""
        now = self._clock.monotonic()
        for (who, limited), window in list(self._windows.items()):
            if now - window.began_at >= WINDOW_S:
                del self._windows[who, limited]
                self._tell(who, window, limited)

    def _window(self, who: str, role: str, limited: bool) -> _Window:
        now = self._clock.monotonic()
        window = self._windows.get((who, limited))
        if window is None or now - window.began_at >= WINDOW_S:
            if window is not None:
                self._tell(who, window, limited)
            window = self._windows[who, limited] = _Window(now, role)
        return window

    def _tell(self, who: str, window: _Window, limited: bool) -> None:
        if more := window.seen - window.logged:
            reason = f"{more} more {'over the limit' if limited else 'forbidden'} within a minute"
            self._audit.note(who, "api", "refused", role=window.role, reason=reason, source=self._where(who))
