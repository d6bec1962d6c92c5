"""Rows of sessions: one row is the whole state of a refresh family, so that one conditional update decides each race.

`current` is the digest of the only valid refresh token, `previous` of the one it was got with. The digests of all
tokens ever issued are kept beside it as long as they could be presented: they tell a stolen token from a made-up
one.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import BindParameter, ColumnElement, RowMapping, bindparam, delete, insert, or_, select, update

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import refresh, session
from fleetfold_shared.messages import Capability

__all__ = [
    "StoredSession", "ended", "ended_for", "is_known", "older", "opened", "read_active", "read_session", "rotated",
]  # fmt: skip


class StoredSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session's row. `attempt` (a digest) and `salt` are of the last rotation."""

    id: str
    node: str
    capabilities: tuple[Capability, ...]
    current: str
    previous: str | None = None
    attempt: str | None = None
    salt: str | None = None
    opened_at: float
    expires_at: float
    ended_at: float | None = None
    reason: str | None = None


_INSERT = insert(session).values({c.name: bindparam(c.name) for c in session.c}).inline()
_ISSUE = insert(refresh).values({c.name: bindparam(c.name) for c in refresh.c}).inline()
_THIS = session.c.id == bindparam("key")
_LIVE = session.c.ended_at.is_(None)
_END: dict[str, BindParameter[Any]] = {"ended_at": bindparam("ended_at"), "reason": bindparam("reason")}
_END_ONE = update(session).where(_THIS, _LIVE).values(_END)
_END_ALL = update(session).where(session.c.node == bindparam("of_node"), _LIVE).values(_END)
_ROTATE = (
    update(session)
    .where(_THIS, _LIVE, session.c.current == bindparam("shown"), session.c.expires_at > bindparam("now"))
    .values({name: bindparam(name) for name in ("current", "previous", "attempt", "salt", "expires_at")})
)
_OLD = or_(session.c.expires_at < bindparam("before"), session.c.ended_at < bindparam("before"))
_FORGET_TOKENS = delete(refresh).where(
    or_(refresh.c.issued_at < bindparam("issued_before"), refresh.c.session.in_(select(session.c.id).where(_OLD)))
)
_FORGET = delete(session).where(_OLD)


def opened(record: StoredSession) -> tuple[Write, Write, Write]:
    """Insert a session and its first token, in place of the node's earlier ones."""
    row = msgspec.structs.asdict(record) | {"capabilities": msgspec.json.encode(record.capabilities).decode()}
    return (
        ended_for(record.node, record.opened_at, "replaced"),
        Write(_INSERT, [row]),
        _issued(record.id, record.current, record.opened_at),
    )


def rotated(
    key: str, shown: str, successor: str, *, attempt: str, salt: str, now: float, expires_at: float
) -> tuple[Write, Write]:
    """Rotate to the next token; the update matches only while `shown` is the current one."""
    row = {
        "key": key, "shown": shown, "now": now, "current": successor, "previous": shown,
        "attempt": attempt, "salt": salt, "expires_at": expires_at,
    }  # fmt: skip
    return Write(_ROTATE, [row]), _issued(key, successor, now)


def ended(key: str, now: float, reason: str) -> Write:
    """End one session, unless it has ended."""
    return Write(_END_ONE, [{"key": key, "ended_at": now, "reason": reason}])


def ended_for(node: str, now: float, reason: str) -> Write:
    """End all sessions of a node."""
    return Write(_END_ALL, [{"of_node": node, "ended_at": now, "reason": reason}])


def older(before: float, issued_before: float) -> tuple[Write, Write]:
    """Delete sessions that ended before then, and tokens too old to be presented."""
    row = {"before": before}
    return Write(_FORGET_TOKENS, [row | {"issued_before": issued_before}]), Write(_FORGET, [row])


async def read_session(store: Store, key: str) -> StoredSession | None:
    """The session of that id, ended or not."""
    found = await _sessions(store, session.c.id == key)
    return found[0] if found else None


async def read_active(store: Store, now: float) -> list[StoredSession]:
    """Sessions that have neither ended nor expired."""
    return await _sessions(store, _LIVE, session.c.expires_at > now)


async def is_known(store: Store, key: str, digest: str) -> bool:
    """Whether a token of that digest was ever issued in the session."""
    query = select(refresh.c.issued_at).where(refresh.c.digest == digest, refresh.c.session == key)
    return await store.read_one(query) is not None


def _issued(key: str, digest: str, now: float) -> Write:
    return Write(_ISSUE, [{"digest": digest, "session": key, "issued_at": now}])


async def _sessions(store: Store, *where: ColumnElement[bool]) -> list[StoredSession]:
    return [_to_session(row) for row in await store.read(select(session).where(*where))]


def _to_session(row: RowMapping) -> StoredSession:
    return StoredSession(**{**row, "capabilities": tuple(msgspec.json.decode(row["capabilities"]))})
