"""How an identity connects: where, as whom, and what it shows."""

from __future__ import annotations

import ssl
from typing import Any, Protocol

import msgspec

from fleetfold_broker.subjects import inbox
from fleetfold_shared.urls import shown

__all__ = ["ConnectionOptions", "CredentialSource"]


class CredentialSource(Protocol):
    """What an identity shows to the broker."""

    def token(self) -> str:
        """What to show now; asked for at each connection."""
        ...

    async def refused(self) -> None:
        """The broker has refused it: get something better, if there is a way."""
        ...


class ConnectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect and as whom; times are in seconds.

    `caller` names the inbox, unless `inbox` (what follows `_INBOX.`) does. It shows the token of `credential`, or signs
    with the nkey of `seed`. `answer_s` is how long the broker may take to let it in: it asks the masters.
    `backoff_most_s` is the longest pause between two tries, if not the usual one. `name` is what the broker lists the
    connection as, if not the caller.
    """

    url: str
    caller: str
    inbox: str = ""
    credential: CredentialSource | None = None
    seed: str = ""
    tls: ssl.SSLContext | None = None
    connect_timeout_s: float = 2.0
    answer_s: float = 30.0
    first_answer_s: float = 5.0
    ping_interval_s: float = 10.0
    backoff_most_s: float | None = None
    name: str = ""

    @property
    def inbox_prefix(self) -> str:
        """Below which the answers come."""
        return inbox(self.inbox or self.caller)

    @property
    def shown(self) -> str:
        """The URL as it may stand in a log or a message."""
        return shown(self.url)

    def for_client(self, token: str, answer_s: float) -> dict[str, Any]:
        """nats-py's options for one connection that shows `token`."""
        how: dict[str, Any] = {
            "servers": [each.strip() for each in self.url.split(",")],
            "name": self.name or self.caller,
            "inbox_prefix": self.inbox_prefix,
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,  # these two rule the first connection as well
            "reconnect_time_wait": 0,
            "connect_timeout": max(1, round(answer_s if token else self.connect_timeout_s)),
            "ping_interval": max(1, round(self.ping_interval_s)),
            "max_outstanding_pings": 2,
        }
        given = {"token": token, "nkeys_seed_str": self.seed, "tls": self.tls}
        return how | {name: value for name, value in given.items() if value}
