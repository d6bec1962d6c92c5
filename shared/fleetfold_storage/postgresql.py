"""How PostgreSQL is asked to keep its word, and how we notice that it is gone. Connecting is others' work."""

from __future__ import annotations

from typing import Any

__all__ = ["PATIENCE", "keep_commits"]

PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""libpq's: seconds, but for the last, which is in milliseconds. TCP by itself would wait for hours."""

_COMMIT_ON_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""Where the server would say "committed" before it is on disk, ask it not to; what is stricter stays."""


def keep_commits(connection: Any, _record: object) -> None:
    """What is committed on this driver's connection is on disk; called by SQLAlchemy for each new one."""
    cursor = connection.cursor()
    try:
        cursor.execute(_COMMIT_ON_DISK)
    finally:
        cursor.close()
    connection.commit()
