"""Jobs: the whole of what was asked, cancelling and progress; jobs and transactions: which master drives them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String, Text

revision = "r0006"
down_revision = "r0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", Column("spec", Text))
    op.add_column("job", Column("cancelled_by", String(63)))
    op.add_column("job", Column("note", Text))
    op.add_column("job", Column("owner", String(32)))
    op.add_column("job_node", Column("progress", Text))
    op.add_column("tx", Column("owner", String(32)))


def downgrade() -> None:
    op.drop_column("tx", "owner")
    op.drop_column("job_node", "progress")
    for name in ("owner", "note", "cancelled_by", "spec"):
        op.drop_column("job", name)
