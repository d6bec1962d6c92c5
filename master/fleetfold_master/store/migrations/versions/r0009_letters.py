"""Dead letters."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, Double, String, Text

revision = "r0009"
down_revision = "r0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "letter",
        Column("id", String(16), primary_key=True),
        Column("reason", String(16), nullable=False),
        Column("command", String(200), nullable=False),
        Column("node", String(63), nullable=False),
        Column("at", Double, nullable=False),
        Column("action", String(63), nullable=False),
        Column("params", Text),
        Column("whole", Boolean, nullable=False),
        Column("error", Text, nullable=False),
        Column("job", String(64)),
        Column("tx", String(64)),
        Column("step", String(63)),
        Column("caller", String(63), nullable=False),
        Column("history", Text, nullable=False),
        Column("retried_as", String(64)),
        Column("retried_at", Double),
        Column("retried_by", String(63)),
    )
    op.create_index("letter_by_age", "letter", ["at"])


def downgrade() -> None:
    op.drop_table("letter")
