"""The master's own connections: one identity per account of the broker, authenticated by its nkey."""

from __future__ import annotations

import ssl
from typing import Literal

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.info_probe import asks_for_credentials
from fleetfold_broker.connection.nats_connection import CalloutUnanswered
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.backoff import FULL, Backoff
from fleetfold_shared.errors import Conflict, Unauthenticated
from fleetfold_shared.urls import redacted_url

__all__ = ["NAME", "Account", "Connections"]

NAME = "master"
BACKOFF = Backoff(0.05, 0.25, jitter=FULL)
"""Reconnect delays, shorter than those of others: after a broker restart, everybody else waits for the masters."""
Account = Literal["auth", "fleet", "sys"]


class Connections:
    """Opens connections, listed at the broker as `name`. Without `keys` the broker must run without authentication."""

    def __init__(
        self, url: str, subjects: Subjects, *, keys: BrokerKeys | None, tls: ssl.SSLContext | None = None,
        name: str = NAME,
    ) -> None:  # fmt: skip
        self._name = name
        self._opened: list[Bus] = []
        self._url, self._subjects, self._keys, self._tls = url, subjects, keys, tls

    async def check(self) -> None:
        """Raise `Conflict` if the broker requires credentials and there are none, or the reverse."""
        asks = await asks_for_credentials(self._url)
        if self._keys is not None and not asks:
            raise Conflict(
                f"the broker at {redacted_url(self._url)} asks nobody who they are: give it the fleet's identity "
                "config (`fleetfold keys broker`), or say --insecure"
            )
        if self._keys is None and asks:
            raise Conflict(f"the broker at {redacted_url(self._url)} asks for credentials: leave out --insecure")

    def cut(self) -> None:
        """Break all connections at once, from any thread; each is made again when the event loop turns."""
        for bus in list(self._opened):
            bus.connection.cut()

    async def open(self, account: Account) -> Bus:
        """Open a bus in this account. Raises `Unauthenticated` if the broker is configured with other keys."""
        seed = getattr(self._keys, account) if self._keys is not None else ""
        options = ConnectionOptions(
            url=self._url, caller=NAME, seed=seed, tls=self._tls, backoff=BACKOFF, name=self._name
        )
        try:
            bus = await Bus.open(options, self._subjects)
        except (Unauthenticated, CalloutUnanswered):  # the broker admits its configured nkeys without a callout
            raise Unauthenticated(
                f"the broker at {redacted_url(self._url)} does not know this master's keys: write its identity config "
                "from the same keys (`fleetfold keys broker`)"
            ) from None
        self._opened.append(bus)
        return bus
