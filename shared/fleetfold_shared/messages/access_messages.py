"""Joining, credentials, keys and the audit log, as they travel."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.nodes import CAPABILITIES, Capability, NodeDescription

__all__ = [
    "CAPABILITIES", "AccessStats", "AccessStatsAsk", "AuditEntry", "AuditList", "AuditListed", "AuditOutcome",
    "Capability", "ClientRole",
    "Enrol", "Identity", "KeyCreate", "KeyCreated", "KeyInfo", "KeyList", "KeyListed", "KeyRevoke", "KeyRevoked",
    "KeyRotate", "NodeApprove", "NodeInvite", "NodeInvited", "NodeRevoke", "NodeRevoked", "Petition", "Petitioned",
    "Refresh", "RetiringKey", "Role", "Scopes", "SigningRotate", "SigningRotated", "Tokens", "WhoAmI",
]  # fmt: skip

Role = Literal["admin", "operator", "reader", "publisher", "child", "master"]
ClientRole = Literal["admin", "operator", "reader", "publisher"]
AuditOutcome = Literal["ok", "accepted", "refused", "failed"]
"""`accepted`: a job or a transaction was begun, and had not ended; `jobs.end` or `tx.end` tells how it did."""
Pattern = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9_*.-]+$(?!\n)")]
"""A name, or one with `*` in it."""
Secret = Annotated[str, Meta(min_length=1, max_length=4096)]


class Scopes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a role is good for: names, or patterns with `*`. An empty list is everything."""

    nodes: list[Pattern] = []
    actions: list[Pattern] = []
    collections: list[Pattern] = []


class Enrol(Message, frozen=True, kw_only=True):
    """`fleet.join.<node>.enrol`: use a join token.

    `claim` is a secret the node has made up and kept before it asks: with the same one a lost answer may be asked for
    again, with another the token is spent.
    """

    token: Secret
    claim: Secret


class Refresh(Message, frozen=True, kw_only=True):
    """`fleet.join.<node>.refresh`: a new pair for a refresh token, which is spent by it.

    `attempt` is a secret made up for this rotation: with the same one a lost answer may be asked for again, anything
    else counts as theft.
    """

    token: Secret
    attempt: Secret


class Petition(Message, frozen=True, kw_only=True):
    """`fleet.join.<node>.petition`: a node without a token asks to be approved; it repeats this until it is."""

    claim: Secret
    description: NodeDescription


class Petitioned(Message, frozen=True, kw_only=True):
    """`tokens` once approved; until then how long to wait. `fingerprint` is what the operator sees too."""

    fingerprint: str
    retry_after_s: float = 2.0
    tokens: Tokens | None = None


class Tokens(Message, frozen=True, kw_only=True):
    """A node's pair. Seconds are from now, because clocks differ."""

    node: str
    role: Role
    capabilities: list[Capability]
    access: str
    refresh: str
    access_expires_s: float
    refresh_expires_s: float


class NodeInvite(Message, frozen=True, kw_only=True):
    """`nodes.invite`: a join token for the name. `capabilities` are what the node will be granted."""

    node: Slug
    expires_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] = 3600.0
    uses: Annotated[int, Meta(ge=1, le=1000)] = 1
    capabilities: tuple[Capability, ...] = CAPABILITIES


class NodeInvited(Message, frozen=True, kw_only=True):
    """The token is shown once. `expires_at` in Unix seconds."""

    node: str
    token: str
    expires_at: float
    uses: int


class NodeApprove(Message, frozen=True, kw_only=True):
    """`nodes.approve`: let a pending node in. With a `fingerprint` only the one that shows it."""

    node: str
    fingerprint: str | None = None


class NodeRevoke(Message, frozen=True, kw_only=True):
    """`nodes.revoke`: take a node's credentials and its open invitations away, and its connections."""

    node: str


class NodeRevoked(Message, frozen=True, kw_only=True):
    node: str
    connections: int


class KeyInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An API key without its secret. Times in Unix seconds; `id` is the prefix that stands in the key."""

    id: str
    name: str
    role: ClientRole
    scopes: Scopes = Scopes()
    created_at: float
    created_by: str = ""
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None


class KeyCreate(Message, frozen=True, kw_only=True):
    """`keys.create`: an API key for the identity `name`; several keys of one name have one role and the same scopes."""

    name: Slug
    role: ClientRole = "reader"
    scopes: Scopes = Scopes()
    expires_s: Annotated[float, Meta(gt=0)] | None = None


class KeyCreated(Message, frozen=True, kw_only=True):
    """`key` is shown once."""

    key: str
    info: KeyInfo


class KeyList(Message, frozen=True, kw_only=True):
    """`keys.list`."""

    revoked: bool = False


class KeyListed(Message, frozen=True, kw_only=True):
    keys: list[KeyInfo]


class KeyRotate(Message, frozen=True, kw_only=True):
    """`keys.rotate`: a new key for the same identity; the old one, by its id or its name, ends after `overlap_s`."""

    key: str
    overlap_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] = 0.0


class KeyRevoke(Message, frozen=True, kw_only=True):
    """`keys.revoke`: one key by its id, or all of a name."""

    key: str


class KeyRevoked(Message, frozen=True, kw_only=True):
    ids: list[str]
    connections: int


class SigningRotate(Message, frozen=True, kw_only=True):
    """`keys.sign`: sign access tokens with a new key; the old one is still accepted for `overlap_s`."""

    overlap_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] | None = None


class RetiringKey(msgspec.Struct, frozen=True):
    """A signing key that is still accepted, until then (Unix seconds)."""

    kid: str
    until: float


class SigningRotated(Message, frozen=True, kw_only=True):
    kid: str
    retiring: list[RetiringKey] = []


class WhoAmI(Message, frozen=True, kw_only=True):
    """`access.whoami`."""


class Identity(Message, frozen=True, kw_only=True):
    """Who the caller is to the master."""

    name: str
    role: Role
    scopes: Scopes = Scopes()


class AccessStatsAsk(Message, frozen=True, kw_only=True):
    """`access.stats`."""


class AccessStats(Message, frozen=True, kw_only=True):
    """Since the master's start: connections admitted, and refused by reason; requests refused by role or limit."""

    admitted: int
    refused: dict[str, int]
    forbidden: int = 0
    limited: int = 0


class AuditEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who did what to which node, when, with what outcome, from where. `at` in Unix seconds; `seq` rises. `ms` is how
    long it took; the end of a job or a transaction counts from when it was asked for.
    """

    seq: int
    at: float
    who: str
    what: str
    outcome: AuditOutcome
    role: str = ""
    node: str = ""
    target: str = ""
    reason: str = ""
    source: str = ""
    ms: float | None = None


class AuditList(Message, frozen=True, kw_only=True):
    """`audit.list`: the latest `limit` that match, oldest first; with `after`, those after that `seq`, waiting up to
    `wait_ms` for the first.
    """

    node: str | None = None
    who: str | None = None
    what: str | None = None
    outcome: AuditOutcome | None = None
    since: float | None = None
    after: int | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    wait_ms: Annotated[int, Meta(ge=0, le=5000)] = 0


class AuditListed(Message, frozen=True, kw_only=True):
    entries: list[AuditEntry]
