"""What operators have assigned to nodes, apart from the state they are in; labels that are laid over the node's own."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, Double, String, Text

revision = "r0012"
down_revision = "r0011"
branch_labels = None
depends_on = None

NEW = ("assigned", "assigned_by", "assigned_at", "problems", "trouble_at", "stopped_at", "heartbeat_s")


def upgrade() -> None:
    op.add_column("node", Column("assigned", String(16), nullable=False, server_default="active"))
    op.add_column("node", Column("assigned_by", String(63), nullable=False, server_default=""))
    op.add_column("node", Column("problems", Text, nullable=False, server_default="[]"))
    for name in ("assigned_at", "trouble_at", "stopped_at", "heartbeat_s"):
        op.add_column("node", Column(name, Double))
    op.execute("UPDATE node SET assigned = state WHERE state IN ('inactive', 'maintenance')")
    _lay_labels_over()


def downgrade() -> None:
    for name in NEW:
        op.drop_column("node", name)


def _lay_labels_over() -> None:
    """An operator's labels replaced all of the node's: what they left out is removed by name from now on."""
    node = sa.table("node", sa.column("name"), sa.column("labels"), sa.column("description"))
    connection = op.get_bind()
    rows = connection.execute(sa.select(node).where(node.c.labels.is_not(None))).all()
    for row in rows:
        hidden = dict.fromkeys(json.loads(row.description).get("labels", {}))
        labels = json.dumps(hidden | json.loads(row.labels))
        connection.execute(node.update().where(node.c.name == row.name).values(labels=labels))
