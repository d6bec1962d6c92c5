"""The authenticator: handles the broker's auth callouts, and decides the permissions of each connection.

A login presents an access token, or one of the four kinds of credentials. Except for access tokens and API keys, a
credential permits only the one request that it is for, and its reply.
"""

from __future__ import annotations

import re
from collections import Counter

from fleetfold_broker.identity.grants import Grade, Grant, LoginData, narrow_inbox, unsalted
from fleetfold_master.access.credential_services import LoginServices
from fleetfold_master.access.invitations import RESERVED
from fleetfold_master.access.login_refusal import Reason, Refusal
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import SLUG

__all__ = ["GUESSES", "Authenticator"]

GRADE_S = 120.0
"""Seconds for which an identity that has not joined yet may stay connected."""
MOST_BYTES = 4096
MOST_HOSTS = 10_000
GUESSES: frozenset[Reason] = frozenset({
    "malformed", "forged", "wrong_algorithm", "wrong_audience", "wrong_issuer", "wrong_name", "unknown", "reused",
})  # fmt: skip
"""Refusals that count against the address, because the credential was made up or stolen. A token that was once valid
is neither: after a long outage a whole machine of honest nodes presents such tokens.
"""

_SLUG = re.compile(SLUG)


class Authenticator:
    """Handles auth callouts."""

    def __init__(self, services: LoginServices) -> None:
        self._tokens, self._sessions, self._invites = services.tokens, services.sessions, services.invites
        self._keys, self._registry, self._clock = services.keys, services.registry, services.clock
        self._failures, self._rejections, self._pending = services.failures, services.rejections, services.pending
        self._hosts: dict[str, str] = {}
        self._shut_out: dict[str, float] = {}
        self.admitted = 0
        self.refused: Counter[Reason] = Counter()

    async def admit(self, presented: LoginData) -> Grant:
        """The permissions of a login. Raises `Refusal`, which is counted and audited."""
        try:
            grant = await self._decide(presented)
        except Refusal as refusal:
            if refusal.reason in GUESSES:
                self._failures.failed(presented.host)
            self.refused[refusal.reason] += 1
            self._rejections.tell(refusal.who, "connect", f"{refusal.reason}: {refusal.detail}", presented.host)
            raise
        self.admitted += 1
        self._came_from(grant.name, presented.host)
        return grant

    def shut_out(self, name: str, seconds: float) -> None:
        """Refuse all logins of that name for so many seconds."""
        now = self._clock.monotonic()
        self._shut_out = {each: until for each, until in self._shut_out.items() if until > now} | {name: now + seconds}

    def where(self, name: str) -> str:
        """The address of the identity's last login; empty if that was before this master started."""
        return self._hosts.get(name, "")

    async def _decide(self, presented: LoginData) -> Grant:
        if not _SLUG.match(presented.name):
            raise Refusal("malformed", "the name that was given is no name")
        if self._shut_out.get(presented.name, 0.0) > self._clock.monotonic():
            raise Refusal("limited", "it has flooded the bus, and is not let in for a while", presented.name)
        if not presented.token:
            raise Refusal("missing", "no token was shown", presented.name)
        if len(presented.token.encode(errors="replace")) > MOST_BYTES:
            raise Refusal("malformed", "the token is too long to be one", presented.name)
        if presented.name == RESERVED:
            raise Refusal("not_allowed", f"{RESERVED!r} is the masters' own name", presented.name)
        if not presented.token.startswith("ff"):
            return await self._by_access_token(presented)
        shown = _credential(presented)
        if self._failures.blocked(presented.host) and not await self._is_known(shown):
            raise Refusal("limited", "too many failed attempts from this address", presented.name)
        return await self._by_credential(presented, shown)

    async def _is_known(self, shown: Credential) -> bool:
        """Whether to check the credential at a blocked address: it was issued here, or is a join request without a
        secret.

        Nobody guesses 256 random bits, so honest nodes and clients log in from an address with many failed guesses.
        """
        match shown.kind:
            case "key":
                return await self._keys.knows(shown.id)
            case "join":
                return await self._invites.knows(shown.id)
            case "refresh":
                return await self._sessions.knows(shown.id)
            case "join_request":
                return True

    async def _by_access_token(self, presented: LoginData) -> Grant:
        claims = self._tokens.verify(presented.token)
        name = _agreed(presented, claims.sub)
        if claims.role != "child":
            raise Refusal("not_allowed", f"an access token is a node's, not for the role {claims.role}", name)
        if not await self._sessions.active(claims.sid, name):
            raise Refusal("revoked", "the session of the access token has ended, or is another node's", name)
        self._refuse_inactive(name)
        return Grant(name=name, role="child", capabilities=claims.capabilities, expires_at=claims.exp, inbox=name)

    async def _by_credential(self, presented: LoginData, shown: Credential) -> Grant:
        name = _agreed(presented, shown.name)
        if shown.kind == "key":
            key = await self._keys.authenticate(shown)
            return Grant(name=name, role=key.role, expires_at=key.expires_at, inbox=name)
        if shown.kind == "join":
            await self._invites.check(shown)
            return self._narrow(presented, "enrol")
        if shown.kind == "refresh":
            await self._sessions.check(shown, presented.host)
            self._refuse_inactive(name)
            return self._narrow(presented, "refresh")
        if not self._pending:
            raise Refusal("not_allowed", "nodes without a join token are not let in here", name)
        return self._narrow(presented, "request")

    def _narrow(self, presented: LoginData, grade: Grade) -> Grant:
        return Grant(
            name=presented.name, role="child", grade=grade, expires_at=self._clock.wall() + GRADE_S,
            inbox=narrow_inbox(presented.name, presented.token),
        )  # fmt: skip

    def _refuse_inactive(self, name: str) -> None:
        """Refuse an inactive node; in maintenance, in error or incompatible, a node may log in and report."""
        node = self._registry.find(name)
        if node is not None and node.state == "inactive":
            raise Refusal("inactive", "an operator has set the node inactive", name)

    def _came_from(self, name: str, host: str) -> None:
        self._hosts.pop(name, None)
        self._hosts[name] = host
        if len(self._hosts) > MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]


def _agreed(presented: LoginData, name: str) -> str:
    if presented.name != name:
        raise Refusal("wrong_name", f"{presented.name!r} has shown a credential of {name!r}", presented.name)
    return name


def _credential(presented: LoginData) -> Credential:
    try:
        return Credential.parse(unsalted(presented.token))
    except InvalidInput as error:
        raise Refusal("malformed", error.message, presented.name) from None
