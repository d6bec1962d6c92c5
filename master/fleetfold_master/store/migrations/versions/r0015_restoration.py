"""Restoration: the marks of all masters, and what nodes know that an old copy of the database lacks."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, String, Text

revision = "r0015"
down_revision = "r0014"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "master_mark",
        Column("seq", Integer, primary_key=True),
        Column("master", String(32), nullable=False),
        Column("height", BigInteger, nullable=False),
    )
    op.create_index("master_mark_by_master", "master_mark", ["master"], unique=True)
    op.create_table(
        "restoration",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("since", Double, nullable=False),
        Column("reason", Text, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("ended", Boolean, nullable=False),
    )
    op.create_table(
        "asked_node",
        Column("node", String(63), primary_key=True),
        Column("commands", Integer, nullable=False),
    )
    op.create_table(
        "settled_mark",
        Column("node", String(63), primary_key=True),
        Column("master", String(32), primary_key=True),
        Column("height", BigInteger, nullable=False),
    )
    op.create_table(
        "lost_command",
        Column("id", String(200), primary_key=True),
        Column("node", String(63), nullable=False),
        Column("work", String(64), nullable=False),
        Column("command", Text, nullable=False),
        Column("reason", Text, nullable=False),
    )
    op.create_index("lost_command_by_work", "lost_command", ["work"])
    op.add_column("node", Column("ledger_incarnation", String(64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("node", "ledger_incarnation")
    for table in ("lost_command", "settled_mark", "asked_node", "restoration", "master_mark"):
        op.drop_table(table)
