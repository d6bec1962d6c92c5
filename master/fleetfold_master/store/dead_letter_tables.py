"""The table of dead letters."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, String, Table, Text

from fleetfold_master.store.tables import metadata

__all__ = ["dead_letter"]

dead_letter = Table(
    "letter",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("reason", String(16), nullable=False),
    Column("command", String(200), nullable=False),
    Column("node", String(63), nullable=False),
    Column("at", Double, nullable=False),
    Column("action", String(63), nullable=False),
    Column("params", Text),
    Column("whole", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    Column("job", String(64)),
    Column("tx", String(64)),
    Column("step", String(63)),
    Column("caller", String(63), nullable=False),
    Column("history", Text, nullable=False),
    Column("retried_as", String(64)),
    Column("retried_at", Double),
    Column("retried_by", String(63)),
    Index("letter_by_age", "at"),
)
