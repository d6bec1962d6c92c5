"""The master's tables, as SQLAlchemy Core. Migrations create them; a test keeps the two the same.

JSON is text written and read by msgspec, times are Unix seconds, and nothing here is particular to SQLite.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)

__all__ = [
    "api_key", "audit", "invite", "invite_use", "job", "job_node", "join_request", "metadata", "node", "refresh",
    "session", "step", "timeline", "tx",
]  # fmt: skip

metadata = MetaData()

node = Table(
    "node",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("title", String(200), nullable=False),
    Column("labels", Text),
    Column("weight", Double),
    Column("registered_at", Double, nullable=False),
    Column("last_seen_at", Double),
    Column("removed_at", Double),
    Column("assigned", String(16), nullable=False, server_default="active"),
    Column("assigned_by", String(63), nullable=False, server_default=""),
    Column("assigned_at", Double),
    Column("problems", Text, nullable=False, server_default="[]"),
    Column("trouble_at", Double),
    Column("stopped_at", Double),
    Column("heartbeat_s", Double),
    Column("ledger_generation", String(32), nullable=False, server_default=""),
    Column("ledger_height", BigInteger, nullable=False, server_default="0"),
    Column("ledger_incarnation", String(64), nullable=False, server_default=""),
)

job = Table(
    "job",
    metadata,
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
    Column("spec", Text),
    Column("cancelled_by", String(63)),
    Column("note", Text),
    Column("owner", String(32)),
    Column("role", String(16), nullable=False, server_default=""),
    Index("job_by_age", "created_at"),
    Index("job_by_state", "state"),
)

job_node = Table(
    "job_node",
    metadata,
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
    Column("progress", Text),
)

tx = Table(
    "tx",
    metadata,
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
    Column("deadline_at", Double),
    Column("owner", String(32)),
    Column("callback", Text),
    Column("definition", String(80)),
    Column("role", String(16), nullable=False, server_default=""),
    Index("tx_by_age", "created_at"),
    Index("tx_by_state", "state"),
)

step = Table(
    "step",
    metadata,
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
    Column("after", Text, nullable=False, server_default="[]"),
    Column("when", Text),
    Column("retriable", Boolean, nullable=False, server_default=false()),
    Column("state", String(16), nullable=False),
    Column("runs", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("undo", Integer, nullable=False, key="compensation"),
    Column("undos", Integer, nullable=False, key="compensations"),
    Column("undo_tries", Integer, nullable=False, key="compensation_tries"),
    Column("command", String(160)),
    Column("sends", Integer, nullable=False),
    Column("began_at", Double),
    Column("due_at", Double),
    Column("deadline_at", Double),
    Column("result", Text),
    Column("error", Text),
)

timeline = Table(
    "timeline",
    metadata,
    Column("tx", String(64), ForeignKey("tx.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("what", String(32), nullable=False),
    Column("step", String(63)),
    Column("why", Text, nullable=False),
)

invite = Table(
    "invite",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("node", String(63), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("capabilities", Text, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", String(63), nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double),
    Index("invite_by_node", "node"),
)

invite_use = Table(
    "invite_use",
    metadata,
    Column("invite", String(26), ForeignKey("invite.id"), primary_key=True),
    Column("claim", String(64), primary_key=True),
    Column("at", Double, nullable=False),
)

session = Table(
    "session",
    metadata,
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
    Index("session_by_node", "node"),
)

refresh = Table(
    "refresh",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("session", String(26), ForeignKey("session.id"), nullable=False),
    Column("issued_at", Double, nullable=False),
    Index("refresh_by_session", "session"),
)

join_request = Table(
    "petition",
    metadata,
    Column("node", String(63), primary_key=True),
    Column("claim", String(64), nullable=False),
    Column("fingerprint", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("approved_at", Double),
    Column("granted_at", Double),
)

api_key = Table(
    "api_key",
    metadata,
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
    Index("api_key_by_name", "name"),
)

audit = Table(
    "audit",
    metadata,
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
    Column("ms", Double),
    Index("audit_by_age", "at"),
)
