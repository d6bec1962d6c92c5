"""The table of masters: one row for each member."""

from __future__ import annotations

from sqlalchemy import Column, Double, Integer, String, Table

from fleetfold_master.store.tables import metadata

__all__ = ["LEFT", "master"]

LEFT = -1
"""The heartbeat counter of a master that has left: its work is unowned."""

master = Table(
    "master",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("seat", String(32), nullable=False, key="instance_id"),
    Column("beat", Integer, nullable=False, key="heartbeats"),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
)
