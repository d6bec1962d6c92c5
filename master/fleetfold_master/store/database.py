"""The master's database: one group-committing writer, and an async engine for reads.

All writes go through the writer's one connection, so SQLite's own writers never wait for each other, and many
operations share an fsync. Reads see what is committed. A write is not cancellable: cancellation of the caller takes
effect after the commit, so in-memory state never lags behind the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Engine, Executable, RowMapping, exc
from sqlalchemy.ext.asyncio import AsyncEngine

from fleetfold_broker.secret_file import private_file, private_folder
from fleetfold_master.store.compiled_statements import Compiler, Script, Write, execute
from fleetfold_master.store.database_engines import connect_raw, is_broken, open_engines, redacted_url
from fleetfold_master.store.empty_database_check import Beginning, damage_of
from fleetfold_master.store.fence import Fence, Fenced
from fleetfold_master.store.migration import heartbeats_before_contracting, migrate
from fleetfold_master.store.running_masters import WATCH_S
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_storage.group_commit import GroupCommit
from fleetfold_storage.vacuum import free_some

__all__ = ["Store"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

_MIGRATING = 7_302_665_291
"""PostgreSQL's advisory lock for migrations: two masters may start at once."""


class Store:
    """An open database. Use `Store.open`, and `close` it."""

    def __init__(self, writing: Engine, reading: AsyncEngine) -> None:
        self._writing = writing
        self._reading = reading
        self._compiler = Compiler(writing.dialect)
        self._away = False
        self.damage = ""
        """The first damage of its pages that `check_pages` has found; empty while they are sound."""
        self._gone = tuple(getattr(writing.dialect.dbapi, name) for name in ("OperationalError", "InterfaceError"))
        self.fence = Fence(writing.dialect, self._compiler)
        self._writer = GroupCommit[Any](
            lambda: connect_raw(writing), begin=self.fence.begin, name="master-store", broken=is_broken
        )

    @classmethod
    async def open(cls, url: str, *, traces: Sequence[str] = (), new: bool = False) -> Store:
        """Open `url` (`sqlite:///FILE`, or a PostgreSQL URL) and migrate its schema.

        A missing SQLite file is created, with its folder, and all pages of an existing one are checked. `traces` are
        files that show that there was a database before: see `Beginning`. Raises `InvalidInput` for an invalid URL,
        `Conflict` for the database of a newer fleetfold, or a lost or damaged one; `Unavailable` for a server that does
        not answer.
        """
        store = cls(*(engines := open_engines(url)))
        try:
            await asyncio.to_thread(_prepare, engines[0], Beginning(tuple(traces), new))
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Finish the submitted writes and close the database."""
        await self._writer.close()
        await self._reading.dispose()
        await asyncio.to_thread(self._writing.dispose)

    async def write(self, *writes: Write) -> int:
        """Run `writes` in order, all or none. Returns when they are committed: how many rows the first touched.

        Raises `Unavailable` if the database cannot be reached: if the commit had begun, its outcome is unknown.
        Shares its commit with other writes; one that fails does not fail the others.
        """

        def run(connection: Any) -> int:
            return execute(connection.cursor(), self._compiler, writes)

        return await self._run(run)

    async def claim(self, first: Write, *rest: Write) -> bool:
        """Insert a unique row, and what belongs to it. Returns False, and writes nothing, if it exists.

        `first` must be an insert that does nothing on conflict.
        """

        def run(connection: Any) -> bool:
            cursor = connection.cursor()
            if execute(cursor, self._compiler, [first]) != 1:
                return False
            execute(cursor, self._compiler, rest)
            return True

        return await self._run(run)

    async def script(self, work: Callable[[Script], T]) -> T:
        """Run `work` in the writer's thread. Returns its result once all that it wrote is committed.

        It may run twice, and must have no effect outside of its argument.
        """

        def run(connection: Any) -> T:
            return work(Script(connection.cursor(), self._compiler))

        return await self._run(run)

    async def confirm(self) -> None:
        """Return if this master still holds its lease. Raises `Fenced` if another has taken over its work."""
        await self._run(lambda _connection: None)

    async def read(self, statement: Executable) -> Sequence[RowMapping]:
        """The rows of a select, as mappings."""
        try:
            async with self._reading.connect() as connection:
                return (await connection.execute(statement)).mappings().all()
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            raise self._unavailable(error) from error

    async def read_one(self, statement: Executable) -> RowMapping | None:
        """The first row of a select."""
        rows = await self.read(statement)
        return rows[0] if rows else None

    async def check_pages(self) -> None:
        """Read all pages of a SQLite database. PostgreSQL has tools of its own for that."""
        if self._writing.dialect.name == "sqlite":
            found = await asyncio.to_thread(damage_of, Path(self._writing.url.database or ""))
            if found and found != self.damage:
                remedy = "stop the masters, and restore it from a backup (`fleetfold backup restore`)"
                log.error("store.damaged", database=redacted_url(self._writing.url), reason=found, remedy=remedy)
            self.damage = found or ""

    async def tidy(self) -> None:
        """Return the space of deleted rows to the disk, in small steps. PostgreSQL does that by itself."""
        if self._writing.dialect.name == "sqlite":
            while await self._run(free_some):
                pass

    async def _run(self, function: Callable[[Any], T]) -> T:
        try:
            done = await self._writer.run_uncancelled(function)
        except Fenced:
            self.fence.lost()
            raise
        except (*self._gone, exc.OperationalError, exc.InterfaceError) as error:
            raise self._unavailable(error) from error
        if self._away:
            self._back()
        return done

    def _unavailable(self, error: Exception) -> Unavailable:
        """The caller's error, without the database's address; the cause is logged once until it is back."""
        if not self._away:
            self._away = True
            log.warning("store.unavailable", database=redacted_url(self._writing.url), reason=_reason(error))
        return Unavailable("database: the master's cannot be used now; try again, and look into its log")

    def _back(self) -> None:
        self._away = False
        log.info("store.available", database=redacted_url(self._writing.url))


def _prepare(engine: Engine, beginning: Beginning) -> None:
    where = redacted_url(engine.url)
    try:
        if engine.dialect.name == "sqlite":
            file = Path(engine.url.database or "")
            private_folder(file.parent)
            beginning.check_file(file)
            private_file(file)
        with engine.connect() as connection:
            counters = heartbeats_before_contracting(connection)
        if counters:
            time.sleep(WATCH_S)
        with engine.begin() as connection:
            if (
                engine.dialect.name == "sqlite"
            ):  # its driver begins none for DDL, and a failed migration would be left half done
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
                beginning.check_server(connection, where)
            migrate(connection, where, counters)
    except OSError as error:
        raise InvalidInput(f"database: cannot make {where} or its folder: {error.strerror}", field="database") from None
    except exc.OperationalError as error:
        raise Unavailable(f"database: cannot open {where}: {_reason(error)}; check the path and its rights") from None
    except exc.DatabaseError as error:
        raise InvalidInput(
            f"database: {where} is not a database of fleetfold ({_reason(error)}); name another file", field="database"
        ) from None


def _reason(error: Exception) -> str:
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
