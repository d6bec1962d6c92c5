"""Connection options of an identity: URL, name, credentials, TLS and time limits."""

from __future__ import annotations

import ssl
from typing import Any, Protocol

import msgspec

from fleetfold_broker.subjects import inbox
from fleetfold_shared.backoff import Backoff
from fleetfold_shared.urls import redacted_url, server_urls

__all__ = ["ConnectionOptions", "CredentialSource"]


class CredentialSource(Protocol):
    """Source of the token that an identity presents to the broker."""

    def token(self) -> str:
        """Return the token to present; called for each connection attempt."""
        ...

    async def refused(self) -> None:
        """Handle a refused token: obtain a better one if possible."""
        ...


class ConnectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Connection options; times are in seconds.

    `url` has one server, or those of a cluster, separated by commas: an attempt to connect tries each of them once.
    The inbox is `_INBOX.<inbox>`, with `caller` in place of an empty `inbox`. The connection presents the token of
    `credential`, or signs with the nkey of `seed`. `answer_s` limits the login, during which the broker asks the
    masters; `first_answer_s` is the same for the first connection. `backoff` has the pauses between two attempts,
    if not the default ones. `name` is the connection's name in the broker's lists, if not `caller`.
    `connect_timeout_s` limits the login without a token, and, where there is another server to try, how long one may
    take to greet.
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
    backoff: Backoff | None = None
    name: str = ""

    @property
    def inbox_prefix(self) -> str:
        """Subject prefix of the replies to this identity."""
        return inbox(self.inbox or self.caller)

    @property
    def redacted_url(self) -> str:
        """The URL without its password, for logs and messages."""
        return redacted_url(self.url)

    @property
    def servers(self) -> list[str]:
        """The URL of each server. Raises `InvalidInput` for one that is not valid."""
        return server_urls(self.url)

    def for_client(self, server: str, token: str, answer_s: float) -> dict[str, Any]:
        """Build nats-py's options for one connection to `server`, which presents `token` and may log in for `answer_s`
        seconds.
        """
        how: dict[str, Any] = {
            "servers": [server],
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
