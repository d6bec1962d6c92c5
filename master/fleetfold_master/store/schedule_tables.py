"""The tables of schedules and of their firings."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, String, Table, Text

from fleetfold_master.store.tables import metadata

__all__ = ["firing", "schedule"]

schedule = Table(
    "schedule",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("caller", String(63), nullable=False),
    Column("spec", Text, nullable=False),
    Column("anchor", Double, nullable=False),
    Column("next_at", Double),
    Column("due_at", Double),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("looked_at", Double, nullable=False),
    Column("removed_at", Double),
    Index("schedule_by_due", "due_at"),
)

firing = Table(
    "firing",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("schedule", String(32), nullable=False),
    Column("planned_at", Double, nullable=False),
    Column("decided_at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("caller", String(63), nullable=False),
    Column("work", Text),
    Column("outcome", String(16)),
    Column("why", Text, nullable=False),
    Column("by", String(63), nullable=False),
    Index("firing_by_schedule", "schedule", "planned_at"),
    Index("firing_by_state", "state"),
)
