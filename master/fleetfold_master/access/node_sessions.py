"""Sessions of enrolled nodes: an access token, and a refresh token that changes at each use.

A refresh token is valid once. If a spent one is presented, it has been stolen from either party, so the session
ends for both (RFC 9700, 4.14.2). The one exception is a lost answer: the spent token together with the secret of
that very rotation, while its successor has not been used, is answered with the same successor. The successor is not
stored but computed again, from the spent token, that secret and a random salt (HMAC-SHA-256); so it does not matter
which of two answers arrives, nor which of two requests is served first.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Iterable
from typing import NoReturn

from fleetfold_master.access.access_tokens import AccessTokens
from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.access.session_rows import (
    StoredSession,
    ended,
    ended_for,
    is_known,
    older,
    opened,
    read_active,
    read_session,
    rotated,
)
from fleetfold_master.events import (
    Announce,
    Publish,
    SessionsChanged,
    SessionStolen,
    announce_to_nobody,
    publish_to_nobody,
)
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import UncancelledTasks
from fleetfold_shared.credential_format import Credential, digest, new_secret, same
from fleetfold_shared.messages import Capability, Tokens

__all__ = ["Sessions"]

RETENTION_S = 30 * 86_400
"""Seconds for which an ended session is kept: until then its tokens are refused as revoked, later as unknown."""


class Sessions:
    """The sessions of all nodes; active ones are in memory too. Secrets are stored as their SHA-256 only.

    The begin and the end of a session are passed to `announce`, so they hold on all masters before the answer.
    """

    def __init__(
        self, store: Store, clock: Clock, tokens: AccessTokens, audit: AuditLog, refresh_s: float, *,
        publish: Publish = publish_to_nobody, announce: Announce = announce_to_nobody,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._tokens, self._audit = store, clock, tokens, audit
        self._refresh_s, self._publish, self._announce = refresh_s, publish, announce
        self._active: dict[str, StoredSession] = {}
        self._of_node: dict[str, str] = {}
        self._ending = asyncio.Lock()
        self._uncancelled = UncancelledTasks()

    async def load(self) -> None:
        """Load the active sessions, also to see changes of other masters."""
        async with self._ending:  # what ends meanwhile must not come back
            found = await read_active(self._store, self._clock.wall())
            self._active = {record.id: record for record in found}
            self._of_node = {record.node: record.id for record in found}

    def is_active(self, sid: str) -> bool:
        """Whether the session is known here, has not ended and has not expired."""
        record = self._active.get(sid)
        return record is not None and record.expires_at > self._clock.wall()

    async def active(self, sid: str, node: str) -> bool:
        """Like `is_active`, and it must be the node's own; an unknown session is looked up in the store, because
        another master may have opened it."""
        record = self._active.get(sid) or await read_session(self._store, sid)
        return record is not None and record.node == node and self._is_good(record)

    async def knows(self, id: str) -> bool:
        """Whether a session of that id was ever opened, and is still stored."""
        return id in self._active or await read_session(self._store, id) is not None

    def has(self, node: str) -> bool:
        """Whether the node has an active session."""
        sid = self._of_node.get(node)
        return sid is not None and self.is_active(sid)

    def granted(self, node: str) -> list[Capability] | None:
        """The capabilities of the node's active session; None without one."""
        return list(self._active[self._of_node[node]].capabilities) if self.has(node) else None

    async def open(self, node: str, capabilities: Iterable[Capability]) -> Tokens:
        """Open a session of the node in place of any other, and return its first pair of tokens."""
        return await self._uncancelled.run(self._open(node, tuple(capabilities)))

    async def check(self, token: Credential, source: str = "") -> None:
        """Return if the token is valid, or may be a repetition of the last use. Raises `Refusal`.

        A token that was spent before that ends its session.
        """
        record = await self._session_of(token)
        if not (self._is_good(record) and token.digest in {record.current, record.previous}):
            await self._refuse(token, record, source)

    async def refresh(self, token: Credential, attempt: str, source: str = "") -> Tokens:
        """Spend a refresh token, and return a new pair.

        Raises `Refusal` with "unknown", "revoked" or "expired"; with "reused" it has ended the session.
        """
        return await self._uncancelled.run(self._refresh(token, attempt, source))

    async def revoke(self, node: str, reason: str) -> int:
        """End the node's sessions. Returns their number."""
        return await self._uncancelled.run(self._revoke(node, reason))

    async def prune(self) -> None:
        """Delete what ended a month ago, and drop expired sessions from memory."""
        now = self._clock.wall()
        await self._store.write(*older(now - RETENTION_S, now - self._refresh_s))
        for record in [record for record in self._active.values() if record.expires_at <= now]:
            self._forget(record)

    async def close(self) -> None:
        """Wait for the writes in progress."""
        await self._uncancelled.close()

    async def _open(self, node: str, capabilities: tuple[Capability, ...]) -> Tokens:
        token, now = Credential.mint("refresh", node), self._clock.wall()
        record = StoredSession(
            id=token.id, node=node, capabilities=capabilities, current=token.digest,
            opened_at=now, expires_at=now + self._refresh_s,
        )  # fmt: skip
        await self._store.write(*opened(record))
        self._active.pop(self._of_node.get(node, ""), None)
        self._active[record.id], self._of_node[node] = record, record.id
        await self._announce(SessionsChanged(node))
        return self._pair(record, token)

    async def _refresh(self, token: Credential, attempt: str, source: str) -> Tokens:
        salt, now = new_secret(), self._clock.wall()
        successor = _successor(token, attempt, salt)
        writes = rotated(
            token.id, token.digest, successor.digest, attempt=digest(attempt), salt=salt,
            now=now, expires_at=now + self._refresh_s,
        )  # fmt: skip
        fresh = await self._store.claim(*writes)
        record = await self._session_of(token)
        if not fresh:
            if not (self._is_good(record) and _repeats(record, token, attempt)):
                await self._refuse(token, record, source)
            successor = _successor(token, attempt, record.salt or "")
        if record.id in self._active:  # what was revoked meanwhile is not loaded, and stays away
            self._active[record.id] = record
        return self._pair(record, successor)

    async def _revoke(self, node: str, reason: str) -> int:
        async with self._ending:
            count = await self._store.write(ended_for(node, self._clock.wall(), reason))
            self._active.pop(self._of_node.pop(node, ""), None)
        if count:
            await self._announce(SessionsChanged(node))
        return count

    async def _session_of(self, token: Credential) -> StoredSession:
        record = await read_session(self._store, token.id)
        if record is None or record.node != token.name:
            raise Refusal("unknown", "there is no such refresh token", token.name)
        return record

    async def _refuse(self, token: Credential, record: StoredSession, source: str) -> NoReturn:
        """Refuse an invalid token; a spent one of an active session counts as stolen, and ends it."""
        if not await is_known(self._store, record.id, token.digest):
            raise Refusal("unknown", "there is no such refresh token", token.name)
        if record.ended_at is not None:
            raise Refusal("revoked", f"the session has ended: {record.reason}", token.name)
        if record.expires_at <= self._clock.wall():
            raise Refusal("expired", "the refresh token has expired", token.name)
        async with self._ending:
            await self._store.write(ended(record.id, self._clock.wall(), "reused"))
            self._forget(record)
        await self._announce(SessionsChanged(record.node))
        self._publish(SessionStolen(record.node))
        await self._audit.write(
            record.node, "refresh.reused", "refused", role="child", node=record.node, target=record.id,
            reason="a spent refresh token was shown; the session has ended", source=source,
        )  # fmt: skip
        raise Refusal("reused", "the refresh token has been used before", token.name)

    def _is_good(self, record: StoredSession) -> bool:
        return record.ended_at is None and record.expires_at > self._clock.wall()

    def _forget(self, record: StoredSession) -> None:
        self._active.pop(record.id, None)
        if self._of_node.get(record.node) == record.id:
            del self._of_node[record.node]

    def _pair(self, record: StoredSession, token: Credential) -> Tokens:
        access, access_s = self._tokens.issue(record.node, "child", record.capabilities, record.id)
        return Tokens(
            node=record.node, role="child", capabilities=list(record.capabilities),
            access=access, access_expires_s=access_s,
            refresh=token.text, refresh_expires_s=record.expires_at - self._clock.wall(),
        )  # fmt: skip


def _repeats(record: StoredSession, token: Credential, attempt: str) -> bool:
    """Whether this repeats the last rotation, whose successor has not been used."""
    return (
        record.previous is not None and record.attempt is not None
        and same(record.previous, token.digest) and same(record.attempt, digest(attempt))
    )  # fmt: skip


def _successor(token: Credential, attempt: str, salt: str) -> Credential:
    """The token that follows `token` by this attempt: HMAC-SHA-256 of attempt and salt under the spent secret."""
    made = hmac.digest(token.secret.encode(), f"{attempt}\n{salt}".encode(), "sha256")
    return Credential("refresh", token.name, token.id, base64.urlsafe_b64encode(made).rstrip(b"=").decode())
