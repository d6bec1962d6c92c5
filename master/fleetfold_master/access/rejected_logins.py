"""The log of rejected logins: a limited number per address is written to the audit log, the rest as numbers."""

from __future__ import annotations

from dataclasses import dataclass

from fleetfold_master.access.audit_log import AuditLog
from fleetfold_shared.clock import Clock

__all__ = ["RejectionLog"]

WINDOW_S = 60.0
MOST_LOGGED = 10
"""How many rejections per address and minute are audited in full; the rest as a number."""
MOST_SOURCES = 1000
ELSEWHERE = "elsewhere"
"""Stands for all addresses beyond a limit per minute."""


@dataclass(slots=True)
class _Window:
    began_at: float
    seen: int = 0
    logged: int = 0


class RejectionLog:
    """Rejected connections and joins. The owner calls `settle` periodically, which writes the numbers."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit, self._clock = audit, clock
        self._windows: dict[str, _Window] = {}

    def tell(self, who: str, what: str, reason: str, source: str) -> None:
        """Record a rejection of `who`."""
        window = self._window(source)
        window.seen += 1
        if window.logged < MOST_LOGGED:
            window.logged += 1
            self._audit.note(who, what, "refused", node=who, reason=reason, source=source)

    def settle(self) -> None:
        """Write the numbers of completed minutes to the audit log, and reset them."""
        for source in list(self._windows):
            self._settle(source)

    def _window(self, source: str) -> _Window:
        if source not in self._windows and len(self._windows) >= MOST_SOURCES:
            source = ELSEWHERE
        self._settle(source)
        return self._windows.setdefault(source, _Window(self._clock.monotonic()))

    def _settle(self, source: str) -> None:
        window = self._windows.get(source)
        if window is not None and self._clock.monotonic() - window.began_at >= WINDOW_S:
            del self._windows[source]
            self._tell(source, window)

    def _tell(self, source: str, window: _Window) -> None:
        if more := window.seen - window.logged:
            reason = f"{more} more refused within a minute"
            self._audit.note("", "connect", "refused", reason=reason, source=source)
