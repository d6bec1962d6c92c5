"""Schedules and their firings."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, String, Text

revision = "r0008"
down_revision = "r0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedule",
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
    )
    op.create_index("schedule_by_due", "schedule", ["due_at"])
    op.create_table(
        "firing",
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
    )
    op.create_index("firing_by_schedule", "firing", ["schedule", "planned_at"])
    op.create_index("firing_by_state", "firing", ["state"])


def downgrade() -> None:
    op.drop_table("firing")
    op.drop_table("schedule")
