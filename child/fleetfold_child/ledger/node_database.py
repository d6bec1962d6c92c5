"""SQLite database of a node, with the tables of the ledger and of the application, written by one thread."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from fleetfold_broker.secret_file import private_file
from fleetfold_child.disk_errors import disk_error
from fleetfold_child.ledger.file_identity import NodeFile
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_storage.group_commit import GroupCommit, Lease
from fleetfold_storage.sqlite_integrity import is_damage
from fleetfold_storage.vacuum import make_incremental

__all__ = ["DamagedDatabase", "Database", "NodeDatabase", "Params", "Transaction", "Writer", "open_writer", "unusable"]

Params = Sequence[Any] | Mapping[str, Any]
Rows = list[dict[str, Any]]
Writer = GroupCommit[sqlite3.Connection]
T = TypeVar("T")

_WAL_BYTES = 16 * 1024**2
"""Bytes of the write-ahead log that are kept after a checkpoint; SQLite makes one every 1,000 pages."""
_CONTROL = re.compile(r"\s*(begin|commit|end|rollback|savepoint|release|attach|detach|vacuum|pragma)\b", re.IGNORECASE)


class DamagedDatabase(Conflict):
    """The node's file is no database, or has damaged pages."""


class Database(Protocol):
    """SQL on the node's file."""

    async def execute(self, sql: str, params: Params = (), /) -> Rows:
        """Run one statement and return its rows as dicts by column name. Raises `sqlite3.Error`."""


def open_writer(file: NodeFile, *, busy_timeout_s: float = 5.0) -> Writer:
    """Open the single writer of the file. WAL with synchronous=FULL: committed data survives a power cut.

    When an operation fails and the file is lost or damaged, it is opened again.
    """

    def connect() -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            file.before_opening()
            if file.is_new:
                private_file(file.path)
            connection = sqlite3.connect(
                file.uri, timeout=busy_timeout_s, isolation_level=None, cached_statements=512, uri=True
            )
            make_incremental(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
            file.opened()
        except (sqlite3.DatabaseError, OSError) as error:
            if connection is not None:
                connection.close()
            raise disk_error(error, file.path) or unusable(error, file.path) from error
        return connection

    return GroupCommit(
        connect, begin=lambda connection: connection.execute("BEGIN IMMEDIATE"), name="ledger",
        broken=lambda _connection: file.stale or bool(file.lost()),
    )  # fmt: skip


def unusable(error: BaseException, path: Path) -> Conflict:
    """Return the error of a file that cannot be used as the node's database."""
    if is_damage(error):
        return DamagedDatabase(f"{path} is damaged ({error})", field="data")
    return Conflict(
        f"data: {path} cannot be opened ({error}); look at the file, its rights, and what else uses it", field="data"
    )


class NodeDatabase:
    """`Database` in which each statement is a commit of its own, shared with concurrent ones."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def execute(self, sql: str, params: Params = (), /) -> Rows:
        _refuse_control(sql)
        return await self._writer.run(lambda connection: _rows(connection, sql, params))


class Transaction:
    """`Database` in which all statements are one transaction, which begins with the first one.

    Without `commit` it is rolled back.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._lease: Lease[sqlite3.Connection] | None = None
        self._opening = asyncio.Lock()
        self._ended = asyncio.Event()

    async def execute(self, sql: str, params: Params = (), /) -> Rows:
        _refuse_control(sql)
        lease = await self._open()
        return await lease.run(lambda connection: _rows(_still_open(connection), sql, params))

    async def commit(self, last: Callable[[sqlite3.Connection], T]) -> T:
        """Run `last` in the transaction and commit; if no statement began one, `last` joins a shared commit. Returns
        what `last` returns.
        """
        self._ended.set()
        if self._lease is None:
            return await self._writer.run(last)
        return await self._lease.commit(lambda connection: last(_still_open(connection)))

    async def _open(self) -> Lease[sqlite3.Connection]:
        async with self._opening:
            if self._lease is None and not self._ended.is_set():
                lease = await self._writer.lease()
                if self._ended.is_set():
                    lease.roll_back()
                else:
                    self._lease = lease
            if self._lease is None:  # a task that outlived its action
                raise RuntimeError("ctx.tx has ended with its action")
            return self._lease

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._lease is not None:
            self._lease.roll_back()


def _rows(connection: sqlite3.Connection, sql: str, params: Params) -> Rows:
    cursor = connection.execute(sql, params)
    try:
        columns = [column[0] for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor]
    finally:
        cursor.close()


def _refuse_control(sql: str) -> None:
    if match := _CONTROL.match(sql):
        raise InvalidInput(f"sql: {match[1].upper()} is the node's business; an action only reads and writes")


def _still_open(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Raise if SQLite has ended the transaction, as it does on some errors (a full disk, `ON CONFLICT ROLLBACK`)."""
    if not connection.in_transaction:
        raise sqlite3.OperationalError("the transaction was rolled back by an earlier error")
    return connection
