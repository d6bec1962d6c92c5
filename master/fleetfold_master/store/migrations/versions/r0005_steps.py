"""Transactions: dependencies, conditions and retriable steps, and a time for the whole."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, Double, Text, false

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tx", Column("deadline_at", Double))
    op.add_column("step", Column("after", Text, nullable=False, server_default="[]"))
    op.add_column("step", Column("when", Text))
    op.add_column("step", Column("retriable", Boolean, nullable=False, server_default=false()))


def downgrade() -> None:
    for name in ("retriable", "when", "after"):
        op.drop_column("step", name)
    op.drop_column("tx", "deadline_at")
