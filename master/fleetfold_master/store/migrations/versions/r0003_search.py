"""Searches: the answers that are kept, and the questions that are asked often."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, LargeBinary, String, Text

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_cache",
        Column("key", String(32), primary_key=True),
        Column("value", LargeBinary, nullable=False),
        Column("bytes", Integer, nullable=False),
        Column("saved_at", Double, nullable=False),
        Column("cost_ms", Double, nullable=False),
    )
    op.create_table(
        "search_question",
        Column("key", String(32), primary_key=True),
        Column("narrowed", Text, nullable=False),
        Column("asked", Text, nullable=False),
        Column("times", Integer, nullable=False),
        Column("asked_at", Double, nullable=False),
    )


def downgrade() -> None:
    for name in ("search_question", "search_cache"):
        op.drop_table(name)
