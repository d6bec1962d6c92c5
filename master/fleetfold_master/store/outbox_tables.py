"""The table of deliveries, written in the commit of what they report."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, String, Table, Text

from fleetfold_master.store.tables import metadata

__all__ = ["outbox"]

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("mark", String(26), nullable=False),
    Column("type", String(32), nullable=False),
    Column("record", String(64), nullable=False),
    Column("name", String(63), nullable=False),
    Column("subject", String(512)),
    Column("url", Text),
    Column("place", String(255), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double),
    Column("tries", Integer, nullable=False),
    Column("error", Text),
    Index("outbox_by_mark", "mark", unique=True),
    Index("outbox_by_due", "due_at"),
    Index("outbox_by_record", "record"),
)
