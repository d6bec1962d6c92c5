"""Monitor of the connections on all servers of the broker: list them by identity, and close them."""

from __future__ import annotations

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.server_accounts import APP
from fleetfold_broker.identity.server_requests import FIRST_WITHIN_S, ask_servers
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.errors import DeadlineExceeded, Unavailable

__all__ = ["ConnectionMonitor", "MonitoredConnection"]

log = structlog.get_logger(__name__)

AGAIN_AFTER_S = 0.5
"""Seconds before the second round of a drop, which finds connections whose login was under way in the first."""
MOST_LISTED = 10_000


class MonitoredConnection(msgspec.Struct, frozen=True):
    """One connection: the server's id, the connection's id on that server, the address it comes from, and when it was
    made (RFC 3339 in UTC, by the server's clock).
    """

    server: str
    id: int
    host: str
    start: str = ""


class ConnectionMonitor:
    """Sends monitoring requests to the servers, on a bus of the account SYS."""

    def __init__(self, bus: Bus, clock: Clock | None = None) -> None:
        self._bus, self._clock = bus, clock or SystemClock()

    async def of(self, name: str) -> list[MonitoredConnection]:
        """List the connections of the identity `name`; empty when no server answers."""
        ask = {"auth": True, "acc": APP, "user": name, "limit": MOST_LISTED}
        answers = await ask_servers(self._bus, "$SYS.REQ.SERVER.PING.CONNZ", msgspec.json.encode(ask))
        return [
            MonitoredConnection(answer["server"]["id"], each["cid"], each.get("ip", ""), each.get("start", ""))
            for answer in answers
            for each in answer.get("data", {}).get("connections") or ()
        ]

    async def names(self) -> set[str]:
        """Return the names of connected identities, as far as the servers list them (`MOST_LISTED` each)."""
        ask = {"auth": True, "acc": APP, "limit": MOST_LISTED}
        answers = await ask_servers(self._bus, "$SYS.REQ.SERVER.PING.CONNZ", msgspec.json.encode(ask))
        listed = [each for answer in answers for each in answer.get("data", {}).get("connections") or ()]
        return {each["authorized_user"] for each in listed if each.get("authorized_user")}

    async def cut_off(self, name: str) -> int:
        """Close a master's connections, which are listed under the connection name `name` in its own accounts; returns
        their number.
        """
        answers = await ask_servers(
            self._bus, "$SYS.REQ.SERVER.PING.CONNZ", msgspec.json.encode({"limit": MOST_LISTED})
        )
        found = [
            MonitoredConnection(answer["server"]["id"], each["cid"], each.get("ip", ""))
            for answer in answers
            for each in answer.get("data", {}).get("connections") or ()
            if each.get("name") == name
        ]
        await self._kick(name, found)
        return len(found)

    async def drop(self, name: str) -> int:
        """Close all connections of the identity `name`, which must already be refused at login; returns their
        number.
        """
        dropped = await self._drop_once(name)
        await self._clock.sleep(AGAIN_AFTER_S)
        return dropped + await self._drop_once(name)

    async def drop_older(self, name: str) -> int:
        """Close all connections of the identity `name` but the newest; returns their number."""
        older = sorted(await self.of(name), key=lambda each: each.start)[:-1]
        await self._kick(name, older)
        return len(older)

    async def _drop_once(self, name: str) -> int:
        found = await self.of(name)
        await self._kick(name, found)
        return len(found)

    async def _kick(self, name: str, found: list[MonitoredConnection]) -> None:
        for each in found:
            try:
                await self._bus.ask(f"$SYS.REQ.SERVER.{each.server}.KICK", b'{"cid":%d}' % each.id, FIRST_WITHIN_S)
            except (Unavailable, DeadlineExceeded) as error:
                log.warning("connection.not_dropped", name=name, reason=error.message)
