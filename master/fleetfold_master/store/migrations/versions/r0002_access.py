"""Identity: invitations, sessions, petitions, API keys, and the audit log."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, ForeignKey, Integer, String, Text

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_joining()
    _create_sessions()
    _create_keys()
    _create_audit()


def _create_joining() -> None:
    op.create_table(
        "invite",
        Column("id", String(26), primary_key=True),
        Column("node", String(63), nullable=False),
        Column("digest", String(64), nullable=False),
        Column("capabilities", Text, nullable=False),
        Column("uses", Integer, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("created_by", String(63), nullable=False),
        Column("expires_at", Double, nullable=False),
        Column("revoked_at", Double),
    )
    op.create_index("invite_by_node", "invite", ["node"])
    op.create_table(
        "invite_use",
        Column("invite", String(26), ForeignKey("invite.id"), primary_key=True),
        Column("claim", String(64), primary_key=True),
        Column("at", Double, nullable=False),
    )
    op.create_table(
        "petition",
        Column("node", String(63), primary_key=True),
        Column("claim", String(64), nullable=False),
        Column("fingerprint", String(16), nullable=False),
        Column("description", Text, nullable=False),
        Column("asked_at", Double, nullable=False),
        Column("approved_at", Double),
        Column("granted_at", Double),
    )


def _create_sessions() -> None:
    op.create_table(
        "session",
        Column("id", String(26), primary_key=True),
        Column("node", String(63), nullable=False),
        Column("capabilities", Text, nullable=False),
        Column("current", String(64), nullable=False),
        Column("previous", String(64)),
        Column("attempt", String(64)),
        Column("salt", String(64)),
        Column("opened_at", Double, nullable=False),
        Column("expires_at", Double, nullable=False),
        Column("ended_at", Double),
        Column("reason", String(32)),
    )
    op.create_index("session_by_node", "session", ["node"])
    op.create_table(
        "refresh",
        Column("digest", String(64), primary_key=True),
        Column("session", String(26), ForeignKey("session.id"), nullable=False),
        Column("issued_at", Double, nullable=False),
    )
    op.create_index("refresh_by_session", "refresh", ["session"])


def _create_keys() -> None:
    op.create_table(
        "api_key",
        Column("id", String(26), primary_key=True),
        Column("name", String(63), nullable=False),
        Column("digest", String(64), nullable=False),
        Column("role", String(16), nullable=False),
        Column("scopes", Text, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("created_by", String(63), nullable=False),
        Column("expires_at", Double),
        Column("last_used_at", Double),
        Column("revoked_at", Double),
    )
    op.create_index("api_key_by_name", "api_key", ["name"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        Column("seq", Integer, primary_key=True),
        Column("at", Double, nullable=False),
        Column("who", String(63), nullable=False),
        Column("what", String(63), nullable=False),
        Column("outcome", String(16), nullable=False),
        Column("role", String(16), nullable=False),
        Column("node", Text, nullable=False),
        Column("target", String(255), nullable=False),
        Column("reason", String(255), nullable=False),
        Column("source", String(255), nullable=False),
    )
    op.create_index("audit_by_age", "audit", ["at"])


def downgrade() -> None:
    for name in ("audit", "api_key", "refresh", "session", "petition", "invite_use", "invite"):
        op.drop_table(name)
