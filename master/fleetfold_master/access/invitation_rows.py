"""Rows of invitations. Each use is a row of its own, so the database decides a race for the last one."""

from __future__ import annotations

import msgspec
from sqlalchemy import Double, RowMapping, String, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import invite, invite_use
from fleetfold_shared.messages import Capability

__all__ = ["StoredInvite", "created", "has_claimed", "older", "read_invite", "revoked", "used"]


class StoredInvite(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation's row, with its number of uses. Only the digest of its secret is stored."""

    id: str
    node: str
    digest: str
    capabilities: tuple[Capability, ...]
    uses: int
    created_at: float
    created_by: str
    expires_at: float
    revoked_at: float | None = None
    used: int = 0


_INSERT = insert(invite).values({c.name: bindparam(c.name) for c in invite.c}).inline()
_THIS = invite.c.id == bindparam("key")
_LOCK = update(invite).where(_THIS).values(uses=invite.c.uses)
_USED = select(func.count()).where(invite_use.c.invite == invite.c.id).correlate(invite).scalar_subquery()
_USE = (
    postgresql.insert(invite_use)
    .from_select(
        ["invite", "claim", "at"],
        select(invite.c.id, bindparam("of_claim", type_=String), bindparam("now", type_=Double)).where(
            _THIS,
            invite.c.digest == bindparam("of_digest"),
            invite.c.revoked_at.is_(None),
            invite.c.expires_at > bindparam("now", type_=Double),
            invite.c.uses > _USED,
        ),
    )
    .on_conflict_do_nothing()
)
_REVOKE = (
    update(invite)
    .where(invite.c.node == bindparam("of_node"), invite.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("revoked_at"))
)
_OLD = invite.c.expires_at < bindparam("before")
_FORGET_USES = delete(invite_use).where(invite_use.c.invite.in_(select(invite.c.id).where(_OLD)))
_FORGET = delete(invite).where(_OLD)


def created(record: StoredInvite) -> Write:
    """Insert an invitation."""
    row = msgspec.structs.asdict(record) | {"capabilities": msgspec.json.encode(record.capabilities).decode()}
    return Write(_INSERT, [row])


def used(key: str, digest: str, claim: str, now: float) -> tuple[Write, Write]:
    """Insert a use for `claim`, if one is left and the claim has none yet.

    The first statement takes the row's lock, so that the second, on a server with several writers, sees every use.
    """
    row = {"key": key, "of_digest": digest, "of_claim": claim, "now": now}
    return Write(_LOCK, [{"key": key}]), Write(_USE, [row])


def revoked(node: str, now: float) -> Write:
    """Revoke all invitations of the node."""
    return Write(_REVOKE, [{"of_node": node, "revoked_at": now}])


def older(before: float) -> tuple[Write, Write]:
    """Delete those that ended before then."""
    return Write(_FORGET_USES, [{"before": before}]), Write(_FORGET, [{"before": before}])


async def read_invite(store: Store, key: str) -> StoredInvite | None:
    """The invitation of that id."""
    row = await store.read_one(select(invite, _USED.label("used")).where(invite.c.id == key))
    return None if row is None else _to_invite(row)


async def has_claimed(store: Store, key: str, claim: str) -> bool:
    """Whether one of its uses is that claim's."""
    query = select(invite_use.c.at).where(invite_use.c.invite == key, invite_use.c.claim == claim)
    return await store.read_one(query) is not None


def _to_invite(row: RowMapping) -> StoredInvite:
    return StoredInvite(**{**row, "capabilities": tuple(msgspec.json.decode(row["capabilities"]))})
