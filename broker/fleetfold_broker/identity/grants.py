"""Login data of a connecting client, and the grant it receives."""

from __future__ import annotations

from typing import Literal

import msgspec

from fleetfold_shared.credential_format import fingerprint, new_secret
from fleetfold_shared.messages import Capability, Role

__all__ = ["Grade", "Grant", "LoginData", "LoginRefused", "narrow_inbox", "salted", "unsalted"]

Grade = Literal["full", "enrol", "refresh", "request"]
"""Extent of a grant: `full` gives all that the role has; the others allow one request, `fleet.join.<name>.<grade>`, and
its reply.
"""


SALT = "~"


class LoginData(msgspec.Struct, frozen=True, kw_only=True):
    """Login data: the name and token of the client's CONNECT, and where the connection comes from."""

    name: str
    token: str
    host: str
    server: str = ""
    client: int = 0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The identity that a connection receives. `expires_at` is in Unix seconds, `None` for never; `inbox` is what
    follows `_INBOX.`.
    """

    name: str
    role: Role
    grade: Grade = "full"
    capabilities: frozenset[Capability] = frozenset()
    expires_at: float | None = None
    inbox: str = ""


class LoginRefused(Exception):
    """A login is refused; the message goes to the server's log."""


def salted(token: str) -> str:
    """Return the login token of a client that is not yet a member: `token` with a random secret salt."""
    return f"{token}{SALT}{new_secret()}"


def unsalted(presented: str) -> str:
    """Return the token without its salt."""
    return presented.partition(SALT)[0]


def narrow_inbox(name: str, presented: str) -> str:
    """Return the inbox (after `_INBOX.`) of a client that is not yet a member. It depends on the salted token, so
    neither another client of that name nor another holder of the token can subscribe to it.
    """
    return f"{name}.{fingerprint(presented)}"
