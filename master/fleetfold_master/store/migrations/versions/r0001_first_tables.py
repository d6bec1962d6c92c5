"""The first tables: nodes, jobs, transactions."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, Double, ForeignKey, Integer, String, Text

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_nodes()
    _create_jobs()
    _create_transactions()


def _create_nodes() -> None:
    op.create_table(
        "node",
        Column("name", String(63), primary_key=True),
        Column("state", String(16), nullable=False),
        Column("description", Text, nullable=False),
        Column("title", String(200), nullable=False),
        Column("labels", Text),
        Column("weight", Double),
        Column("registered_at", Double, nullable=False),
        Column("last_seen_at", Double),
        Column("removed_at", Double),
    )


def _create_jobs() -> None:
    op.create_table(
        "job",
        Column("id", String(64), primary_key=True),
        Column("digest", String(64), nullable=False),
        Column("caller", String(63), nullable=False),
        Column("action", String(63), nullable=False),
        Column("params", Text, nullable=False),
        Column("sequential", Boolean, nullable=False),
        Column("timeout_s", Double, nullable=False),
        Column("state", String(16), nullable=False),
        Column("created_at", Double, nullable=False),
        Column("ended_at", Double),
    )
    op.create_index("job_by_age", "job", ["created_at"])
    op.create_index("job_by_state", "job", ["state"])
    op.create_table(
        "job_node",
        Column("job", String(64), ForeignKey("job.id"), primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("node", String(63), nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("began_at", Double),
        Column("outcome", String(16)),
        Column("answered", Boolean, nullable=False),
        Column("result", Text),
        Column("error", Text),
        Column("ms", Double),
    )


def _create_transactions() -> None:
    op.create_table(
        "tx",
        Column("id", String(64), primary_key=True),
        Column("digest", String(64), nullable=False),
        Column("name", String(200), nullable=False),
        Column("caller", String(63), nullable=False),
        Column("state", String(16), nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("entries", Integer, nullable=False),
        Column("error", Text),
        Column("created_at", Double, nullable=False),
        Column("ended_at", Double),
    )
    op.create_index("tx_by_age", "tx", ["created_at"])
    op.create_index("tx_by_state", "tx", ["state"])
    op.create_table(
        "step",
        Column("tx", String(64), ForeignKey("tx.id"), primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("name", String(63), nullable=False),
        Column("stage", Integer, nullable=False),
        Column("node", String(63), nullable=False),
        Column("action", String(63), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("params", Text, nullable=False),
        Column("rollback", Text),
        Column("timeout_s", Double, nullable=False),
        Column("retries", Integer, nullable=False),
        Column("pivot", Boolean, nullable=False),
        Column("state", String(16), nullable=False),
        Column("runs", Text, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("undo", Integer, nullable=False),
        Column("undos", Integer, nullable=False),
        Column("undo_tries", Integer, nullable=False),
        Column("command", String(160)),
        Column("sends", Integer, nullable=False),
        Column("began_at", Double),
        Column("due_at", Double),
        Column("deadline_at", Double),
        Column("result", Text),
        Column("error", Text),
    )
    op.create_table(
        "timeline",
        Column("tx", String(64), ForeignKey("tx.id"), primary_key=True),
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column("at", Double, nullable=False),
        Column("what", String(32), nullable=False),
        Column("step", String(63)),
        Column("why", Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("timeline", "step", "tx", "job_node", "job", "node"):
        op.drop_table(name)
