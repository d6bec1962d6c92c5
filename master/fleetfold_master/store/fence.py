"""The fence: a master's writes are committed only while its row is in the table of masters.

The row is checked in the same database transaction as the writes, once for all that share a commit. A master that
takes over another's work deletes its row first. So a master that was suspended meanwhile, and resumes in the middle
of whatever it was doing, cannot write any more: however long it slept, and whatever the clocks say.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect, bindparam, select

from fleetfold_master.store.compiled_statements import Compiler
from fleetfold_master.store.master_tables import master
from fleetfold_shared.errors import DeadlineExceeded

__all__ = ["Fence", "Fenced"]

LOCKED_S = 10.0
"""Seconds for which a writer waits for another process that writes to the same SQLite file."""
POLL_S = (0.0002, 0.002)
"""Bounds in seconds of the polling interval. SQLite's own waiting sleeps for up to 100 ms, so a busy process starves
the others.
"""

FROZEN_MS = 1500
"""Idle time after which PostgreSQL ends a transaction, such as that of a master frozen in the middle of it."""

_HERE = select(master.c.id).where(master.c.id == bindparam("key")).with_for_update(read=True)
"""On PostgreSQL the row stays locked until the commit, so it cannot be deleted in between; SQLite has one writer."""


class Fenced(DeadlineExceeded):
    """This master was silent too long, and another has taken over its work: repeat the request."""

    def __init__(self) -> None:
        super().__init__("master: it was silent for too long, and another has taken over its work; ask again")


class Fence:
    """Begins the writer's transactions. Until `enforce` every write is allowed."""

    def __init__(self, dialect: Dialect, compiler: Compiler) -> None:
        self._immediate = dialect.name == "sqlite"
        self._compiler = compiler
        self._connection: Any = None
        self._master: str | None = None
        self._on_lost: Callable[[], object] | None = None

    def enforce(self, master: str, on_lost: Callable[[], object]) -> None:
        """From now on allow writes only while the row of `master`, an id, exists. `on_lost` is called for each write
        that shows that it does not."""
        self._master, self._on_lost = master, on_lost

    def lost(self) -> None:
        """Report that a write has shown the loss of the lease; called on the event loop."""
        if self._on_lost is not None:
            self._on_lost()

    def begin(self, connection: Any) -> None:
        """Called in the writer's thread. Raises `Fenced` if the master has lost its lease."""
        cursor = connection.cursor()
        if connection is not self._connection:
            self._prepare(connection, cursor)
        if self._immediate:
            _begin_immediate(cursor)
        if self._master is None:
            return
        look = self._compiler(_HERE)
        cursor.execute(look.sql, look.parameters({"key": self._master}))
        if cursor.fetchone() is None:
            raise Fenced

    def _prepare(self, connection: Any, cursor: Any) -> None:
        if self._immediate:
            cursor.execute("PRAGMA busy_timeout=0")
        else:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {FROZEN_MS}")
            connection.commit()
        self._connection = connection


def _begin_immediate(cursor: Any) -> None:
    """Become the file's one writer, after those before have finished."""
    until = time.monotonic() + LOCKED_S
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        else:
            return
        time.sleep(random.uniform(*POLL_S))  # noqa: S311 (not a secret)
