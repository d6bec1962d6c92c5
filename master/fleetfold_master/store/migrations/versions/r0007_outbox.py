"""The outbox: who is to be told of the end of jobs and transactions."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, String, Text

revision = "r0007"
down_revision = "r0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        Column("id", String(26), primary_key=True),
        Column("mark", String(26), nullable=False),
        Column("type", String(32), nullable=False),
        Column("record", String(64), nullable=False),
        Column("name", String(63), nullable=False),
        Column("subject", String(512)),
        Column("url", Text),
        Column("place", String(255), nullable=False),
        Column("created_at", Double, nullable=False),
        Column("due_at", Double),
        Column("tries", Integer, nullable=False),
        Column("error", Text),
    )
    op.create_index("outbox_by_mark", "outbox", ["mark"], unique=True)
    op.create_index("outbox_by_due", "outbox", ["due_at"])
    op.create_index("outbox_by_record", "outbox", ["record"])
    op.add_column("tx", Column("callback", Text))


def downgrade() -> None:
    op.drop_column("tx", "callback")
    op.drop_table("outbox")
