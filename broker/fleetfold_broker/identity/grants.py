"""What connects to the broker, and what it is granted."""

from __future__ import annotations

from typing import Literal

import msgspec

from fleetfold_shared.credentials import fingerprint, new_secret
from fleetfold_shared.messages import Capability, Role

__all__ = ["Grade", "Grant", "NotAdmitted", "Presented", "narrow_inbox", "salted", "unsalted"]

Grade = Literal["full", "enrol", "refresh", "petition"]
"""`full` is all that the role has; the others may send that one request of `fleet.join.<name>` and hear its answer."""


SALT = "~"


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """What a connecting party shows: the name and the token of its CONNECT, and where it comes from."""

    name: str
    token: str
    host: str
    server: str = ""
    client: int = 0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is from now on. `expires_at` in Unix seconds, `None` for never; `inbox` follows `_INBOX.`."""

    name: str
    role: Role
    grade: Grade = "full"
    capabilities: frozenset[Capability] = frozenset()
    expires_at: float | None = None
    inbox: str = ""


class NotAdmitted(Exception):
    """Somebody is not let in; the message is for the server's log."""


def salted(token: str) -> str:
    """What one shows that is not yet a member: its token, and a salt that only it knows."""
    return f"{token}{SALT}{new_secret()}"


def unsalted(shown: str) -> str:
    """The token in what was shown."""
    return shown.partition(SALT)[0]


def narrow_inbox(name: str, shown: str) -> str:
    """Where one that is not yet a member listens: by what it has shown, so that nobody else of that name does, nor
    anybody who has come by the same token.
    """
    return f"{name}.{fingerprint(shown)}"
