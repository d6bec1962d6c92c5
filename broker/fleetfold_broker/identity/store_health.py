"""Health of the broker's stores, which a master asks of all servers by the system account."""

from __future__ import annotations

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.server_requests import ask_servers
from fleetfold_broker.server.health_report import HealthReport, in_plain_words
from fleetfold_shared.clock import Clock, SystemClock

__all__ = ["StoreHealth"]

log = structlog.get_logger(__name__)

SUBJECT = "$SYS.REQ.SERVER.PING.HEALTHZ"
REASON_CHARS = 300


class StoreHealth:
    """What the servers report, as of the last `look`. `failure` is empty while all of them store; `since` is the time
    of the last change in Unix seconds.
    """

    def __init__(self, bus: Bus, clock: Clock | None = None) -> None:
        self._bus, self._clock = bus, clock or SystemClock()
        self.failure = ""
        self.since: float | None = None

    async def look(self) -> None:
        """Ask all servers; log when a failure begins, changes or ends. Without an answer nothing is known anew."""
        answers = await ask_servers(self._bus, SUBJECT, b'{"details":true}')
        found = [_failure(answer) for answer in answers]
        if answers:
            self._take(next((one for one in found if one), ""))

    def _take(self, failure: str) -> None:
        if failure == self.failure:
            return
        now, before = self._clock.wall(), self.since
        if failure:
            log.error("broker.does_not_store", reason=failure)
        else:
            log.warning("broker.stores_again", after_s=round(now - (before or now)))
        self.failure, self.since = failure, now


def _failure(answer: dict[str, object]) -> str:
    report = msgspec.convert(answer.get("data") or {}, HealthReport)
    failure = report.failure() if report.status else None
    return "" if failure is None else in_plain_words(failure)[:REASON_CHARS]
