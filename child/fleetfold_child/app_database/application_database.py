"""Database of the application's own in which actions take effect exactly once.

The effect and its idempotency row are one commit there; the ledger is updated after it. Whatever fails between the two,
the row answers when the command is delivered again, and the handler does not run twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import exc, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.schema import CreateTable

from fleetfold_child.app_database import idempotency_row
from fleetfold_child.app_database.engine import open_engine, reason
from fleetfold_child.ledger.node_database import Params
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import CommandResult

__all__ = ["ApplicationDatabase", "CommitRefused", "EffectTransaction"]

T = TypeVar("T")

CLAIM_S = 30.0
"""Seconds to wait for another transaction of the same command, and for the database altogether."""
ZOMBIE_S = 10.0
"""Seconds that a transaction may stay open beyond its action's time, when its process is frozen or cut off."""
_MAKING = 7_302_665_292


class CommitRefused(Exception):
    """The database refused to commit and has rolled back: there is no effect."""


class EffectTransaction:
    """One open transaction with the effect and its idempotency row. `answer` is set when the command was decided
    before.
    """

    def __init__(
        self, connection: AsyncConnection, claimed: tuple[str, str], clock: Clock, answer: CommandResult | None
    ) -> None:
        self._connection, self._claimed, self._clock = connection, claimed, clock
        self._session: AsyncSession | None = None
        self.answer = answer

    @property
    def session(self) -> AsyncSession:
        """SQLAlchemy session in the transaction. Its `commit` flushes and its `rollback` undoes its own changes;
        neither ends the transaction.
        """
        if self._session is None:
            self._session = AsyncSession(
                self._connection, join_transaction_mode="create_savepoint", expire_on_commit=False
            )
        return self._session

    async def execute(self, sql: str, params: Params = (), /) -> list[dict[str, Any]]:
        """Run one statement and return its rows as dicts by column name.

        Parameters are written `:name` for a mapping, and as the driver has them (`?` or `%s`) for a tuple.
        """
        if isinstance(params, Mapping):
            done = await self._connection.execute(text(sql), dict(params))
        else:
            done = await self._connection.exec_driver_sql(sql, tuple(params) or None)
        return [dict(row) for row in done.mappings()] if done.returns_rows else []

    async def commit(self, result: CommandResult) -> None:
        """Commit the effect and its idempotency row.

        Raises `CommitRefused` when it was rolled back instead, `Unavailable` when the result is unknown; the row then
        tells it later.
        """
        try:
            if self._session is not None:
                await self._session.commit()
            await idempotency_row.fill(self._connection, *self._claimed, result, self._clock.wall())
        except (exc.SQLAlchemyError, RuntimeError) as error:
            raise CommitRefused(reason(error)) from error
        try:
            await self._connection.commit()
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise Unavailable(f"its database was lost while it committed ({reason(error)})") from error
            raise CommitRefused(reason(error)) from error

    async def close(self) -> None:
        """Close the session; uncommitted changes are rolled back with the connection."""
        if self._session is not None:
            await self._session.close()


class ApplicationDatabase:
    """The database `name` of the node `node`. Create it with `open`, and `close` it."""

    def __init__(self, name: str, engine: AsyncEngine, node: str, clock: Clock) -> None:
        self.name = name
        self._engine, self._node, self._clock = engine, node, clock
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._turn: contextlib.AbstractAsyncContextManager[object] = (
            asyncio.Lock() if self._is_sqlite else contextlib.nullcontext()  # SQLite has one writer: take turns
        )
        self._creating = asyncio.Lock()
        self._created = False

    @classmethod
    def open(
        cls, name: str, url: str, *, node: str, concurrency: int = 16, clock: Clock | None = None
    ) -> ApplicationDatabase:
        """Create the engine without connecting: a database that is away may come back. Raises `InvalidInput` for an
        unusable URL.
        """
        return cls(name, open_engine(name, url, concurrency=concurrency), node, clock or SystemClock())

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def transaction(self, command_id: str, limit_s: float) -> AsyncIterator[EffectTransaction]:
        """Claim the command in a transaction; without `commit` it is rolled back.

        Raises `Unavailable` when the database cannot be reached, or another process is still running the command.
        `limit_s` is the time allowed for the effect.
        """
        async with self._turn, contextlib.AsyncExitStack() as opened:
            work = await self._reach(lambda: self._claim(opened, command_id, limit_s))
            try:
                yield work
            finally:
                with contextlib.suppress(exc.SQLAlchemyError):  # a lost connection has rolled back
                    await work.close()

    async def seal(self, command_id: str) -> CommandResult | None:
        """Decide for good that the command has had no effect and never will; if it was decided before, return its
        result.
        """
        async with self._turn, contextlib.AsyncExitStack() as opened:

            async def decide() -> CommandResult | None:
                work = await self._claim(opened, command_id, CLAIM_S)
                if work.answer is None:
                    await work.commit(idempotency_row.tombstone(command_id))
                return work.answer

            return await self._reach(decide)

    async def forget(self, command_ids: Sequence[str]) -> int:
        """Delete the idempotency rows of these commands; return their number. Raises `Unavailable`."""

        async def delete() -> int:
            await self._ensure_table()
            async with self._engine.begin() as connection:
                return await idempotency_row.forget(connection, self._node, command_ids)

        return await self._reach(delete)

    async def check(self) -> None:
        """Connect, and create the idempotency table if it is missing."""
        await self._reach(self._ensure_table)

    async def _claim(self, opened: contextlib.AsyncExitStack, command_id: str, limit_s: float) -> EffectTransaction:
        await self._ensure_table()
        connection = await opened.enter_async_context(self._engine.connect())
        if not self._is_sqlite:
            await connection.execute(_END_ZOMBIES, {"ms": str(int((limit_s + ZOMBIE_S) * 1000))})
        claimed = (self._node, command_id)
        answer = await idempotency_row.claim(connection, *claimed, self._clock.wall())
        return EffectTransaction(connection, claimed, self._clock, answer)

    async def _reach(self, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(CLAIM_S):
                return await attempt()
        except (exc.DBAPIError, exc.TimeoutError, OSError, CommitRefused) as error:
            why = "it does not answer" if isinstance(error, TimeoutError) else reason(error)
            raise Unavailable(f"databases.{self.name}: it cannot be used now: {why}") from error

    async def _ensure_table(self) -> None:
        """Create the table once, also if nodes that share the database do so at the same time."""
        async with self._creating:
            if self._created:
                return
            async with self._engine.begin() as connection:
                if not self._is_sqlite:
                    await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MAKING})"))
                if not await connection.run_sync(lambda one: inspect(one).has_table(idempotency_row.TABLE)):
                    await self._create(connection)
            self._created = True

    async def _create(self, connection: AsyncConnection) -> None:
        try:
            await connection.run_sync(idempotency_row.metadata.create_all)
        except exc.ProgrammingError as error:
            made = CreateTable(idempotency_row.metadata.tables[idempotency_row.TABLE]).compile(
                dialect=self._engine.dialect
            )
            words = " ".join(str(made).split())
            raise InvalidInput(
                f"databases.{self.name}: cannot make its table {idempotency_row.TABLE} ({reason(error)}); "
                f"make it: {words}",
                field="databases",
            ) from error


_END_ZOMBIES = text("SELECT set_config('idle_in_transaction_session_timeout', :ms, true)")
