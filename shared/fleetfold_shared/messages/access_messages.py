"""Messages for joining, credentials, keys and the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.nodes import CAPABILITIES, Capability, NodeDescription

__all__ = [
    "CAPABILITIES", "AccessStats", "AccessStatsRequest", "AuditEntry", "AuditList", "AuditListed", "AuditOutcome",
    "Capability", "ClientRole", "Enrol", "Identity", "JoinRequest", "JoinRequestReply", "KeyCreate", "KeyCreated",
    "KeyInfo", "KeyList", "KeyListed", "KeyRevoke", "KeyRevoked", "KeyRotate", "NodeApprove", "NodeInvite",
    "NodeInvited", "NodeRevoke", "NodeRevoked", "Refresh", "RetiringKey", "Role", "Scopes", "SigningRotate",
    "SigningRotated", "Tokens", "WhoAmI",
]  # fmt: skip

Role = Literal["admin", "operator", "reader", "publisher", "child", "master"]
ClientRole = Literal["admin", "operator", "reader", "publisher"]
AuditOutcome = Literal["ok", "accepted", "refused", "failed"]
"""`accepted`: a job or a transaction was begun and had not ended; the entry `jobs.end` or `transactions.end` has its
outcome.
"""
Pattern = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9_*.-]+$(?!\n)")]
"""A name, or a pattern with `*`."""
Secret = Annotated[str, Meta(min_length=1, max_length=4096)]


class Scopes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a role applies to: names, or patterns with `*`. An empty list means everything."""

    nodes: list[Pattern] = []
    actions: list[Pattern] = []
    collections: list[Pattern] = []


class Enrol(Message, frozen=True, kw_only=True):
    """`fleet.join.<node>.enrol`: redeem a join token.

    `claim` is a secret that the node has generated and stored before the request: with the same claim a lost reply can
    be requested again, with another one the token is spent.
    """

    token: Secret
    claim: Secret


class Refresh(Message, frozen=True, kw_only=True):
    """`fleet.join.<node>.refresh`: exchange a refresh token, which is spent by this, for a new pair.

    `attempt` is a secret generated for this rotation: with the same one a lost reply can be requested again, any other
    use of the token counts as theft.
    """

    token: Secret
    attempt: Secret


class JoinRequest(Message, frozen=True, kw_only=True):
    """`fleet.join.<node>.request`: a node without a token asks for approval, repeatedly until it is approved."""

    claim: Secret
    description: NodeDescription


class JoinRequestReply(Message, frozen=True, kw_only=True):
    """`tokens` once approved, until then the time to wait. `fingerprint` is shown to the operator as well."""

    fingerprint: str
    retry_after_s: float = 2.0
    tokens: Tokens | None = None


class Tokens(Message, frozen=True, kw_only=True):
    """A node's access and refresh token. Times are seconds from now, because clocks differ."""

    node: str
    role: Role
    capabilities: list[Capability]
    access: str
    refresh: str
    access_expires_s: float
    refresh_expires_s: float


class NodeInvite(Message, frozen=True, kw_only=True):
    """`nodes.invite`: create a join token for the name. `capabilities` are granted to the node."""

    node: Slug
    expires_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] = 3600.0
    uses: Annotated[int, Meta(ge=1, le=1000)] = 1
    capabilities: tuple[Capability, ...] = CAPABILITIES


class NodeInvited(Message, frozen=True, kw_only=True):
    """The join token, returned only this once. `expires_at` in Unix seconds."""

    node: str
    token: str
    expires_at: float
    uses: int


class NodeApprove(Message, frozen=True, kw_only=True):
    """`nodes.approve`: admit a pending node; with a `fingerprint`, only the one that has it."""

    node: str
    fingerprint: str | None = None


class NodeRevoke(Message, frozen=True, kw_only=True):
    """`nodes.revoke`: revoke a node's credentials and open invitations, and close its connections."""

    node: str


class NodeRevoked(Message, frozen=True, kw_only=True):
    node: str
    connections: int


class KeyInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An API key without its secret. Times in Unix seconds; `id` is part of the key's text."""

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
    """`keys.create`: create an API key for the identity `name`; all keys of one name have the same role and scopes."""

    name: Slug
    role: ClientRole = "reader"
    scopes: Scopes = Scopes()
    expires_s: Annotated[float, Meta(gt=0)] | None = None


class KeyCreated(Message, frozen=True, kw_only=True):
    """The new API key; `key` is returned only this once."""

    key: str
    info: KeyInfo


class KeyList(Message, frozen=True, kw_only=True):
    """`keys.list`: list API keys, with `revoked` also those that are revoked."""

    revoked: bool = False


class KeyListed(Message, frozen=True, kw_only=True):
    keys: list[KeyInfo]


class KeyRotate(Message, frozen=True, kw_only=True):
    """`keys.rotate`: create a new key for the same identity; the old one, given by id or name, ends after
    `overlap_s`.
    """

    key: str
    overlap_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] = 0.0


class KeyRevoke(Message, frozen=True, kw_only=True):
    """`keys.revoke`: revoke one key by its id, or all of a name."""

    key: str


class KeyRevoked(Message, frozen=True, kw_only=True):
    ids: list[str]
    connections: int


class SigningRotate(Message, frozen=True, kw_only=True):
    """`keys.sign`: sign access tokens with a new key; the old one is accepted for `overlap_s` more."""

    overlap_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] | None = None


class RetiringKey(msgspec.Struct, frozen=True):
    """A former signing key that is accepted until `until` (Unix seconds)."""

    kid: str
    until: float


class SigningRotated(Message, frozen=True, kw_only=True):
    kid: str
    retiring: list[RetiringKey] = []


class WhoAmI(Message, frozen=True, kw_only=True):
    """`access.whoami`: return the caller's identity."""


class Identity(Message, frozen=True, kw_only=True):
    """The caller's identity as the master knows it."""

    name: str
    role: Role
    scopes: Scopes = Scopes()


class AccessStatsRequest(Message, frozen=True, kw_only=True):
    """`access.stats`: return login and permission counters."""


class AccessStats(Message, frozen=True, kw_only=True):
    """Counters since the master's start: connections admitted, and refused by reason; requests refused by role or rate
    limit.
    """

    admitted: int
    refused: dict[str, int]
    forbidden: int = 0
    limited: int = 0


class AuditEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Entry of the audit log: who did what to which node, when, with what outcome, from where.

    `at` in Unix seconds; `seq` increases. `ms` is the duration; for the end of a job or a transaction, since its
    request.
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
    """`audit.list`: list the latest `limit` matching entries, oldest first; with `after`, those after that `seq`,
    waiting up to `wait_ms` for the first.
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
