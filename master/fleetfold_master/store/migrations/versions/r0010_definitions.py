"""Named transactions in versions, and which of them a transaction was made of."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, String, Text

revision = "r0010"
down_revision = "r0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "definition",
        Column("name", String(63), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("digest", String(64), nullable=False),
        Column("content", Text, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("created_by", String(63), nullable=False),
        Column("removed_at", Double),
    )
    op.add_column("tx", Column("definition", String(80)))


def downgrade() -> None:
    op.drop_column("tx", "definition")
    op.drop_table("definition")
