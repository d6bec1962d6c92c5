"""PostgreSQL connection settings: durable commits, and detection of a lost server."""

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
"""libpq parameters, in seconds, but `tcp_user_timeout` in milliseconds. TCP alone would wait for hours."""

_COMMIT_ON_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""Turn `synchronous_commit` on where it is off, so that a commit is on disk when it returns; stricter settings stay."""


def keep_commits(connection: Any, _record: object) -> None:
    """Make commits on this driver's connection durable; called by SQLAlchemy for each new one."""
    cursor = connection.cursor()
    try:
        cursor.execute(_COMMIT_ON_DISK)
    finally:
        cursor.close()
    connection.commit()
