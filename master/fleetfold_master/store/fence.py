"""The fence: what a master writes is committed only while its row is in the table of masters.

The row is looked at in the same database transaction as what is written, once for all that shares a commit. Whoever
takes a master's work over deletes its row first. So a master that slept through that, and wakes up in the middle of
whatever it was doing, cannot write any more: however long it slept, and whatever the clocks say.
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
"""How long a writer waits for another process that writes to the same SQLite file."""
POLL_S = (0.0002, 0.002)
"""How often it tries. SQLite's own waiting sleeps for up to 100 ms, so that a busy process starves the others."""

FROZEN_MS = 1500
"""After which PostgreSQL ends a transaction that nothing is heard of: of a master that froze in the middle of it."""

_HERE = select(master.c.id).where(master.c.id == bindparam("key")).with_for_update(read=True)
"""On PostgreSQL the row stays locked until the commit, so it cannot be deleted in between; SQLite has one writer."""


class Fenced(DeadlineExceeded):
    """Another master has taken this one's work over, for it was silent too long: ask again."""

    def __init__(self) -> None:
        super().__init__("master: it was silent for too long, and another has taken over its work; ask again")


class Fence:
    """Begins the writer's transactions. Until it is given a `master`, an id, it lets everything through.

    `on_lost` is called when that master has lost its place, for each write that shows it.
    """

    def __init__(self, dialect: Dialect, compiler: Compiler) -> None:
        self._immediate = dialect.name == "sqlite"
        self._compiler = compiler
        self._connection: Any = None
        self.master: str | None = None
        self.on_lost: Callable[[], object] = lambda: None

    def begin(self, connection: Any) -> None:
        """Called in the writer's thread. `Fenced` when the master has lost its place."""
        cursor = connection.cursor()
        if connection is not self._connection:
            self._prepare(connection, cursor)
        if self._immediate:
            _begin_immediate(cursor)
        if self.master is None:
            return
        look = self._compiler(_HERE)
        cursor.execute(look.sql, look.parameters({"key": self.master}))
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
    """Become the file's one writer, when those before have finished."""
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
