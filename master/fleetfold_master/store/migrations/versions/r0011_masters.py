"""Several masters on one database: who of them is there."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, String

revision = "r0011"
down_revision = "r0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "master",
        Column("id", String(32), primary_key=True),
        Column("seat", String(32), nullable=False),
        Column("beat", Integer, nullable=False),
        Column("host", String(255), nullable=False),
        Column("pid", Integer, nullable=False),
        Column("started_at", Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("master")
