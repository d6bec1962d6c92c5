"""Quality: judgements, clicks, and counts of searches."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, String, Text

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "judgement",
        Column("query", String(32), primary_key=True),
        Column("node", String(63), primary_key=True),
        Column("collection", String(63), primary_key=True),
        Column("document", String(512), primary_key=True),
        Column("text", Text, nullable=False),
        Column("grade", Integer, nullable=False),
        Column("who", String(63), nullable=False),
        Column("at", Double, nullable=False),
    )
    op.create_table(
        "click",
        Column("seq", Integer, primary_key=True),
        Column("query", String(32), nullable=False),
        Column("node", String(63), nullable=False),
        Column("collection", String(63), nullable=False),
        Column("document", String(512), nullable=False),
        Column("text", Text, nullable=False),
        Column("rank", Integer, nullable=False),
        Column("who", String(63), nullable=False),
        Column("at", Double, nullable=False),
    )
    op.create_index("click_by_query", "click", ["query"])
    op.create_index("click_by_age", "click", ["at"])
    op.create_table(
        "search_count",
        Column("day", Integer, primary_key=True, autoincrement=False),
        Column("node", String(63), primary_key=True),
        Column("collection", String(63), primary_key=True),
        Column("searches", Integer, nullable=False),
        Column("empty", Integer, nullable=False),
    )


def downgrade() -> None:
    for name in ("search_count", "click", "judgement"):
        op.drop_table(name)
