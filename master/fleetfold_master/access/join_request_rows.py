"""Rows of join requests: one per name, until it lapses."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, RowMapping, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import join_request
from fleetfold_shared.messages import NodeDescription

__all__ = [
    "StoredJoinRequest",
    "approved",
    "asked",
    "dropped",
    "granted",
    "lapsed",
    "read_join_request",
    "read_join_requests",
]


class StoredJoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A join request's row. Only the claim's digest is stored; `granted_at` is when the tokens were first fetched."""

    node: str
    claim: str
    fingerprint: str
    description: NodeDescription
    asked_at: float
    approved_at: float | None = None
    granted_at: float | None = None


_WAITING = join_request.alias("waiting")
_COUNT = select(func.count()).select_from(_WAITING).where(_WAITING.c.approved_at.is_(None)).scalar_subquery()
_INSERT = (
    postgresql.insert(join_request)
    .from_select(
        [c.name for c in join_request.c],
        select(*(bindparam(f"new_{c.name}", type_=c.type) for c in join_request.c)).where(bindparam("most") > _COUNT),
    )
    .on_conflict_do_nothing()
)
_THIS = join_request.c.node == bindparam("key")
_FITS = or_(bindparam("any_fingerprint") == 1, join_request.c.fingerprint == bindparam("only_fingerprint"))
_APPROVE = (
    update(join_request)
    .where(_THIS, join_request.c.approved_at.is_(None), _FITS)
    .values(approved_at=bindparam("approved_at"))
)
_GRANT = (
    update(join_request)
    .where(_THIS, join_request.c.claim == bindparam("of_claim"))
    .where(join_request.c.approved_at.is_not(None), join_request.c.granted_at.is_(None))
    .values(granted_at=bindparam("granted_at"))
)
_DROP = delete(join_request).where(_THIS)
_LAPSE = delete(join_request).where(
    or_(
        join_request.c.granted_at < bindparam("granted_before"),
        join_request.c.granted_at.is_(None)
        & (func.coalesce(join_request.c.approved_at, join_request.c.asked_at) < bindparam("asked_before")),
    )
)


def asked(record: StoredJoinRequest, most: int) -> Write:
    """Insert a join request, unless the name has one, or `most` are waiting."""
    row = msgspec.structs.asdict(record) | {"description": msgspec.json.encode(record.description).decode()}
    return Write(_INSERT, [{f"new_{name}": value for name, value in row.items()} | {"most": most}])


def approved(node: str, fingerprint: str | None, now: float) -> Write:
    """Approve the join request; with a `fingerprint`, only the one that has it."""
    row = {"any_fingerprint": int(fingerprint is None), "only_fingerprint": fingerprint or ""}
    return Write(_APPROVE, [row | {"key": node, "approved_at": now}])


def granted(node: str, claim: str, now: float) -> Write:
    """Mark the tokens of an approved join request as fetched for the first time."""
    return Write(_GRANT, [{"key": node, "of_claim": claim, "granted_at": now}])


def dropped(node: str) -> Write:
    """Delete the name's join request."""
    return Write(_DROP, [{"key": node}])


def lapsed(asked_before: float, granted_before: float) -> Write:
    """Delete those that waited too long for approval or to be fetched, and those fetched a while ago."""
    return Write(_LAPSE, [{"asked_before": asked_before, "granted_before": granted_before}])


async def read_join_request(store: Store, node: str) -> StoredJoinRequest | None:
    """The join request of that name."""
    found = await _join_requests(store, join_request.c.node == node)
    return found[0] if found else None


async def read_join_requests(store: Store) -> list[StoredJoinRequest]:
    """Those that wait for approval."""
    return await _join_requests(store, join_request.c.approved_at.is_(None))


async def _join_requests(store: Store, *where: ColumnElement[bool]) -> list[StoredJoinRequest]:
    return [_to_join_request(row) for row in await store.read(select(join_request).where(*where))]


def _to_join_request(row: RowMapping) -> StoredJoinRequest:
    return StoredJoinRequest(**{**row, "description": msgspec.json.decode(row["description"], type=NodeDescription)})
