"""How PostgreSQL is asked to keep its word, and how we notice that it is gone. Connecting is others' work."""

from __future__ import annotations

__all__ = ["COMMIT_ON_DISK", "PATIENCE"]

PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""libpq's: seconds, but for the last, which is in milliseconds. TCP by itself would wait for hours."""

COMMIT_ON_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""Where the server would say "committed" before it is on disk, ask it not to; what is stricter stays."""
