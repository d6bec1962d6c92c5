"""The table of named transactions, in all their versions."""

from __future__ import annotations

from sqlalchemy import Column, Double, Integer, String, Table, Text

from fleetfold_master.store.tables import metadata

__all__ = ["definition"]

definition = Table(
    "definition",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", String(63), nullable=False),
    Column("removed_at", Double),
)
