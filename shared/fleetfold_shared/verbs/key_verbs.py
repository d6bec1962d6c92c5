"""Verbs about API keys, and the key that signs access tokens."""

from __future__ import annotations

from fleetfold_shared.messages import (
    KeyCreate,
    KeyCreated,
    KeyList,
    KeyListed,
    KeyRevoke,
    KeyRevoked,
    KeyRotate,
    SigningRotate,
    SigningRotated,
)
from fleetfold_shared.verbs.verb import ADMINS, Verb, allow

__all__ = ["CREATE", "LIST", "REVOKE", "ROTATE", "SIGN"]

CREATE = Verb(
    "keys.create", KeyCreate, KeyCreated, "Make an API key, no wider than one's own.",
    roles=allow(ADMINS), scope="grant", audit="committed",
)  # fmt: skip
LIST = Verb(
    "keys.list", KeyList, KeyListed, "List the API keys, without their secrets.",
    roles=allow(ADMINS), scope="grant", safe=True, idempotent=True,
)  # fmt: skip
ROTATE = Verb(
    "keys.rotate", KeyRotate, KeyCreated, "Replace an API key by a new one.",
    roles=allow(ADMINS), scope="grant", audit="committed",
)  # fmt: skip
REVOKE = Verb(
    "keys.revoke", KeyRevoke, KeyRevoked, "End an API key, or all of a name.",
    roles=allow(ADMINS), scope="grant", audit="committed", idempotent=True,
)  # fmt: skip
SIGN = Verb(
    "keys.sign", SigningRotate, SigningRotated, "Sign access tokens with a new key.",
    roles=allow(ADMINS), scope="fleet", audit="committed",
)  # fmt: skip
