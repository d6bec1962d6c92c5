"""The tables of masters: one row for each member, the marks of all that ever were, and what an old copy lacks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, String, Table, Text

from fleetfold_master.store.tables import metadata

__all__ = ["LEFT", "asked_node", "lost_command", "master", "master_mark", "restoration", "settled_mark"]

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

master_mark = Table(
    "master_mark",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("master", String(32), nullable=False),
    Column("height", BigInteger, nullable=False),
    Index("master_mark_by_master", "master", unique=True),
)
"""How far each master has come, which outlives its row in `master`: nodes return higher ones to an old copy."""

restoration = Table(
    "restoration",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("since", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("ended", Boolean, nullable=False),
)
"""The last restoration, from the moment at which the database is known to be an old copy until it is `ended`. Its
number is higher than that of each earlier one, also of those that the copy does not know."""

asked_node = Table(
    "asked_node",
    metadata,
    Column("node", String(63), primary_key=True),
    Column("commands", Integer, nullable=False),
)
"""The nodes that were asked in this restoration, and how many commands they have that are younger than the copy."""

settled_mark = Table(
    "settled_mark",
    metadata,
    Column("node", String(63), primary_key=True),
    Column("master", String(32), primary_key=True),
    Column("height", BigInteger, nullable=False),
)
"""The marks of a node, unknown to an old copy, up to which it was asked."""

lost_command = Table(
    "lost_command",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("node", String(63), nullable=False),
    Column("work", String(64), nullable=False),
    Column("command", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("lost_command_by_work", "work"),
)
"""Commands that nodes have and an old copy lacks; without a reason while they are only facts about open work."""
