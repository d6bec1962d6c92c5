"""Invitations: join tokens for one name, with a lifetime and a number of uses."""

from __future__ import annotations

from fleetfold_master.access.invitation_rows import (
    StoredInvite,
    created,
    has_claimed,
    older,
    read_invite,
    revoked,
    used,
)
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.credential_format import Credential, digest, same
from fleetfold_shared.ids import MASTER, check_node_name
from fleetfold_shared.messages import Capability, NodeInvite, NodeInvited

__all__ = ["RESERVED", "Invitations"]

RESERVED = MASTER
RETENTION_S = 7 * 86_400
"""Seconds for which an ended invitation is kept: until then its token is refused as expired, later as unknown."""


class Invitations:
    """The table of invitations. Secrets are stored as their SHA-256 only."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def create(self, ask: NodeInvite, by: str) -> NodeInvited:
        """Create an invitation; its token is in the answer and nowhere else."""
        check_node_name(ask.node, "node")
        token, now = Credential.mint("join", ask.node), self._clock.wall()
        record = StoredInvite(
            id=token.id, node=ask.node, digest=token.digest, capabilities=ask.capabilities, uses=ask.uses,
            created_at=now, created_by=by, expires_at=now + ask.expires_s,
        )  # fmt: skip
        await self._store.write(created(record))
        return NodeInvited(node=ask.node, token=token.text, expires_at=record.expires_at, uses=ask.uses)

    async def check(self, token: Credential) -> StoredInvite:
        """The invitation of a token that may be presented now. Raises `Refusal`.

        A spent one may be: only `use` can tell whether the claim has taken one of its uses and lost the answer.
        """
        return self._good(token, await read_invite(self._store, token.id))

    async def knows(self, id: str) -> bool:
        """Whether there is an invitation of that id, or was until lately."""
        return await read_invite(self._store, id) is not None

    async def use(self, token: Credential, claim: str) -> tuple[Capability, ...]:
        """Take one use for `claim`, and return the node's capabilities. A claim with a use takes no other.

        Raises `Refusal` with "unknown", "revoked", "expired" or, if all uses are taken, "spent".
        """
        now, claimed = self._clock.wall(), digest(claim)
        await self._store.write(*used(token.id, token.digest, claimed, now))
        record = await self.check(token)
        if not await has_claimed(self._store, token.id, claimed):
            raise Refusal("spent", "the join token has been used", token.name)
        return record.capabilities

    async def revoke_for(self, node: str) -> int:
        """Revoke the node's invitations. Returns their number."""
        return await self._store.write(revoked(node, self._clock.wall()))

    async def prune(self) -> None:
        """Delete what ended a week ago."""
        await self._store.write(*older(self._clock.wall() - RETENTION_S))

    def _good(self, token: Credential, record: StoredInvite | None) -> StoredInvite:
        if record is None or not same(record.digest, token.digest) or record.node != token.name:
            raise Refusal("unknown", "there is no such join token", token.name)
        if record.revoked_at is not None:
            raise Refusal("revoked", "the join token has been revoked", token.name)
        if record.expires_at <= self._clock.wall():
            raise Refusal("expired", "the join token has expired", token.name)
        return record
