"""SQLAlchemy engine of an application's database: SQLite or PostgreSQL, with transactions that only the node ends."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import URL, Connection, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from fleetfold_shared.errors import InvalidInput
from fleetfold_storage.postgresql import PATIENCE, keep_commits
from fleetfold_storage.postgresql_hosts import with_hosts

__all__ = ["open_engine", "reason"]

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_BUSY_MS = 10_000
_POOL = 5
_ENDS = re.compile(
    r"\s*(commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b)|prepare\s+transaction)\b", re.IGNORECASE
)


def open_engine(name: str, text: str, *, concurrency: int) -> AsyncEngine:
    """Create an engine for the database `name`. Raises `InvalidInput` for an unusable URL, without repeating it."""
    url = _checked(f"databases.{name}", text)
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_async_engine(url)
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
        else:
            overflow = max(concurrency - _POOL, 0)
            engine = create_async_engine(url, pool_pre_ping=True, pool_size=_POOL, max_overflow=overflow)
            event.listen(engine.sync_engine, "connect", keep_commits)
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"databases.{name}: it needs {error.name}; `pip install 'fleetfold[sql]'`", field="databases"
        ) from None
    event.listen(engine.sync_engine, "before_cursor_execute", _refuse_ends)
    return engine


def reason(error: BaseException) -> str:
    """Return the driver's error in one line. Drivers do not repeat a password."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    return said or type(error).__name__


def _checked(field: str, text: str) -> URL:
    try:
        url = make_url(with_hosts(text))
    except (exc.ArgumentError, ValueError):
        raise InvalidInput(
            f"{field}: not a URL; write sqlite:///FILE or postgresql://HOST/NAME", field="databases"
        ) from None
    name = url.get_backend_name()
    if name not in _DRIVERS:
        raise InvalidInput(f"{field}: {name} is not supported; use sqlite or postgresql", field="databases")
    if name == "sqlite" and url.database in {None, "", ":memory:"}:
        raise InvalidInput(f"{field}: name a file; a database in memory does not survive a crash", field="databases")
    if name == "postgresql":
        url = url.set(query={**PATIENCE, **url.query})
    return url.set(drivername=_DRIVERS[name])


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Stop the driver from beginning transactions by itself. The journal mode is the application's choice."""
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        cursor.execute("PRAGMA synchronous=FULL")
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin as a writer: a transaction that reads first may be refused when it writes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _refuse_ends(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
    """Refuse statements that end the transaction: the effect and its idempotency row are one commit."""
    if match := _ENDS.match(statement):
        said = " ".join(match[1].split()).upper()
        raise InvalidInput(f"sql: {said} is the node's business; an action only reads and writes")
