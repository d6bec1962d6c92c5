"""Jobs and transactions: the role of who asked for them. The audit log: how long it took."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, String

revision = "r0013"
down_revision = "r0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", Column("role", String(16), nullable=False, server_default=""))
    op.add_column("tx", Column("role", String(16), nullable=False, server_default=""))
    op.add_column("audit", Column("ms", Double))


def downgrade() -> None:
    op.drop_column("audit", "ms")
    op.drop_column("tx", "role")
    op.drop_column("job", "role")
