"""Rows of the audit log: inserts, filtered reads, and deletion of old entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, literal, select

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import audit
from fleetfold_shared.messages import AuditEntry, AuditList

__all__ = ["added", "older", "older_of", "read_entries"]

_FIELDS = [column.name for column in audit.c if column.name != "seq"]
_INSERT = insert(audit).values({name: bindparam(name) for name in _FIELDS}).inline()
_LAST = select(func.max(audit.c.seq)).scalar_subquery()
_OLDER = delete(audit).where(audit.c.at < bindparam("before"), audit.c.seq < _LAST)
"""The last row stays: without it SQLite would start counting from 1 again."""
_OLDER_OF = _OLDER.where(audit.c.what == bindparam("kind"))


def added(entries: Iterable[AuditEntry]) -> Write:
    """Insert entries in order; the database gives each its `seq`."""
    return Write(_INSERT, [{name: getattr(entry, name) for name in _FIELDS} for entry in entries])


def older(before: float) -> Write:
    """Delete entries older than `before` (Unix seconds)."""
    return Write(_OLDER, [{"before": before}])


def older_of(what: Iterable[str], before: float) -> Write:
    """Delete entries of these verbs older than `before`."""
    return Write(_OLDER_OF, [{"before": before, "kind": kind} for kind in what])


async def read_entries(store: Store, ask: AuditList) -> list[AuditEntry]:
    """Matching entries, oldest first: those after `ask.after`, or else the latest."""
    query = select(audit).where(*_matching(ask)).limit(ask.limit)
    if ask.after is not None:
        return await _entries(store, query.where(audit.c.seq > ask.after).order_by(audit.c.seq))
    latest = await _entries(store, query.order_by(audit.c.seq.desc()))
    return latest[::-1]


def _matching(ask: AuditList) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [
        audit.c[name] == value for name in ("who", "what", "outcome") if (value := getattr(ask, name)) is not None
    ]
    if ask.since is not None:
        wanted.append(audit.c.at >= ask.since)
    if ask.node is not None:  # one entry may name several: "blog,shop"
        wanted.append((literal(",") + audit.c.node + ",").contains(f",{ask.node},", autoescape=True))
    return wanted


async def _entries(store: Store, query: Select[Any]) -> list[AuditEntry]:
    return [AuditEntry(**row) for row in await store.read(query)]
