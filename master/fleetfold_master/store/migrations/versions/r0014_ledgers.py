"""Nodes: the mark of the ledger that the masters know, its generation and its height."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String

revision = "r0014"
down_revision = "r0013"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.add_column("node", Column("ledger_generation", String(32), nullable=False, server_default=""))
    op.add_column("node", Column("ledger_height", BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("node", "ledger_height")
    op.drop_column("node", "ledger_generation")
