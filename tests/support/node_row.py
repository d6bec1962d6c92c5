"""A node's row for tests of the store: each column has a value."""

from __future__ import annotations

__all__ = ["node_row"]

TIMES = ("last_seen_at", "removed_at", "assigned_at", "trouble_at", "stopped_at")


def node_row(name: str, **more: object) -> dict[str, object]:
    """The row of an active node that has told nothing; `more` are other values of its columns."""
    empty: dict[str, object] = dict.fromkeys((*TIMES, "labels", "weight", "heartbeat_s"))
    return empty | {
        "name": name, "state": "active", "description": "{}", "title": "", "registered_at": 1.0, "assigned": "active",
        "assigned_by": "", "problems": "[]", "ledger_generation": "", "ledger_height": 0, "ledger_incarnation": "",
        **more,
    }  # fmt: skip
