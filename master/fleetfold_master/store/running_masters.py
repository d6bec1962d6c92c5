"""Detection of running masters before their database is migrated, by heartbeats that go on.

Plain SQL on the few columns that every schema has had, because the tables may be those of an earlier version.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, inspect, text

from fleetfold_master.store.master_tables import LEFT

__all__ = ["WATCH_S", "end_leases", "heartbeats", "running"]

WATCH_S = 2.5
"""After so long a running master has written a heartbeat: `cluster.membership` holds it for dead then."""


def heartbeats(connection: Connection) -> dict[str, int]:
    """The heartbeat counters of the masters that have not left."""
    if not inspect(connection).has_table("master"):
        return {}
    rows = connection.execute(text("SELECT id, beat FROM master WHERE beat <> :left"), {"left": LEFT})
    return {row.id: row.beat for row in rows}


def running(connection: Connection, before: Mapping[str, int]) -> list[str]:
    """The masters whose counter is not what it was `before`, as `host, process 17`."""
    alive = [name for name, counter in heartbeats(connection).items() if before.get(name) != counter]
    named = text("SELECT host, pid FROM master WHERE id = :id")
    rows = [connection.execute(named, {"id": name}).one() for name in sorted(alive)]
    return [f"the master on {row.host} (process {row.pid})" for row in rows]


def end_leases(connection: Connection) -> None:
    """Delete the rows of all masters, and leave their unfinished work to the next one that joins."""
    if not inspect(connection).has_table("master"):
        return
    for table in ("job", "tx"):
        connection.execute(text(f"UPDATE {table} SET owner = NULL WHERE owner IN (SELECT id FROM master)"))  # noqa: S608  # two names
    connection.execute(text("DELETE FROM master"))
