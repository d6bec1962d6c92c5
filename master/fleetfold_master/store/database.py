"""The master's database: one group-committing writer for all that changes, an async engine for what is read.

All writes go through the writer's one connection, so SQLite's own writers never wait for each other, and many
operations share an fsync. Reads see what is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, Executable, RowMapping, create_engine, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from fleetfold_master.store.fence import Fence
from fleetfold_master.store.schema import migrate
from fleetfold_master.store.statements import Compiler, Script, Write, execute
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.groupcommit import GroupCommit

__all__ = ["Store"]

S = TypeVar("S")

_DRIVERS = {"sqlite": ("sqlite", "sqlite+aiosqlite"), "postgresql": ("postgresql+psycopg", "postgresql+psycopg")}
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON")


class Store:
    """An open database. Use `Store.open`, and `close` it."""

    def __init__(self, writing: Engine, reading: AsyncEngine) -> None:
        self._writing = writing
        self._reading = reading
        self._compiler = Compiler(writing.dialect)
        self.fence = Fence(writing.dialect, self._compiler)
        self._writer = GroupCommit[Any](writing.raw_connection, begin=self.fence.begin, name="master-store")

    @classmethod
    async def open(cls, url: str) -> Store:
        """Open `url` (`sqlite:///FILE`, or a PostgreSQL URL) and bring its schema up to date.

        A missing SQLite file is made, with its folder. `InvalidInput` for what is no database or no URL, `Conflict`
        for the database of a newer fleetfold, `Unavailable` for a server that does not answer.
        """
        writing_url, reading_url = _urls(url)
        writing, reading = create_engine(writing_url), create_async_engine(reading_url)
        if writing.dialect.name == "sqlite":
            event.listen(writing, "connect", _set_pragmas)
            event.listen(reading.sync_engine, "connect", _set_pragmas)
        store = cls(writing, reading)
        try:
            await asyncio.to_thread(_prepare, writing)
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what was submitted and let go of the database."""
        await self._writer.close()
        await self._reading.dispose()
        await asyncio.to_thread(self._writing.dispose)

    async def write(self, *writes: Write) -> int:
        """Run `writes` in order, all or none, and return once they are committed: how many rows the first touched.

        Shares its commit with whatever else is being written; one that fails does not fail the others.
        """

        def run(connection: Any) -> int:
            return execute(connection.cursor(), self._compiler, writes)

        return await self._writer.run(run)

    async def claim(self, first: Write, *rest: Write) -> bool:
        """Insert a row that nobody may insert twice, and what belongs to it; False if it was there: nothing is written.

        `first` must be an insert that does nothing on conflict.
        """

        def run(connection: Any) -> bool:
            cursor = connection.cursor()
            if execute(cursor, self._compiler, [first]) != 1:
                return False
            execute(cursor, self._compiler, rest)
            return True

        return await self._writer.run(run)

    async def script(self, work: Callable[[Script], S]) -> S:
        """What `work` returns, run in the writer's thread, once all that it wrote is committed.

        It may run twice, and must do nothing but use what it is given.
        """

        def run(connection: Any) -> S:
            return work(Script(connection.cursor(), self._compiler))

        return await self._writer.run(run)

    async def read(self, statement: Executable) -> Sequence[RowMapping]:
        """The rows a select gives, as mappings."""
        async with self._reading.connect() as connection:
            return (await connection.execute(statement)).mappings().all()

    async def read_one(self, statement: Executable) -> RowMapping | None:
        """The first row a select gives."""
        rows = await self.read(statement)
        return rows[0] if rows else None


def _urls(text: str) -> tuple[URL, URL]:
    try:
        url = make_url(text)
    except exc.ArgumentError:
        raise InvalidInput(
            "database: not a URL; write sqlite:///FILE or postgresql://HOST/NAME", field="database"
        ) from None
    drivers = _DRIVERS.get(url.get_backend_name())
    if drivers is None:
        raise InvalidInput(
            f"database: {url.get_backend_name()} is not supported; use sqlite or postgresql", field="database"
        )
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise InvalidInput("database: name a file; a database in memory would not survive a restart", field="database")
    return url.set(drivername=drivers[0]), url.set(drivername=drivers[1])


def _prepare(engine: Engine) -> None:
    where = engine.url.database or str(engine.url)
    try:
        if engine.dialect.name == "sqlite":
            Path(where).parent.mkdir(parents=True, exist_ok=True)
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":  # its driver begins none for DDL, and half a migration would stay
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrate(connection, where)
    except OSError as error:
        raise InvalidInput(f"database: cannot make the folder of {where}: {error.strerror}", field="database") from None
    except exc.OperationalError as error:
        raise Unavailable(f"database: cannot open {where}: {_reason(error)}; check the path and its rights") from None
    except exc.DatabaseError as error:
        raise InvalidInput(
            f"database: {where} is not a database of fleetfold ({_reason(error)}); name another file", field="database"
        ) from None


def _reason(error: exc.DBAPIError) -> str:
    return str(error.orig).splitlines()[0]


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()
