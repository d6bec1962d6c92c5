"""The read and write engines of a database, with durable settings for SQLite and PostgreSQL.

SQLite: WAL and `synchronous=FULL`. PostgreSQL: `synchronous_commit` is at least `on`, and a lost server is noticed
within seconds, where TCP by itself would wait for hours.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from fleetfold_shared.errors import InvalidInput
from fleetfold_storage.postgresql import PATIENCE, keep_commits
from fleetfold_storage.postgresql_hosts import with_hosts
from fleetfold_storage.vacuum import make_incremental

__all__ = ["connect_raw", "is_broken", "open_engines", "redacted_url"]

_DRIVERS = {"sqlite": ("sqlite", "sqlite+aiosqlite"), "postgresql": ("postgresql+psycopg", "postgresql+psycopg")}
_PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON", "journal_size_limit=67108864",
)  # fmt: skip


def open_engines(text: str) -> tuple[Engine, AsyncEngine]:
    """The engines for writing and for reading. Raises `InvalidInput` for an invalid URL or an unsupported database."""
    writing_url, reading_url = _urls(text)
    try:
        if writing_url.get_backend_name() == "sqlite":
            writing, reading = create_engine(writing_url), create_async_engine(reading_url)
        else:
            writing = create_engine(writing_url, pool_pre_ping=True)
            reading = create_async_engine(reading_url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"database: PostgreSQL needs {error.name}; `pip install 'fleetfold[postgres]'`", field="database"
        ) from None
    if writing.dialect.name == "sqlite":
        event.listen(writing, "connect", _give_back)
    for engine in (writing, reading.sync_engine):
        event.listen(engine, "connect", _set_pragmas if engine.dialect.name == "sqlite" else keep_commits)
    return writing, reading


def connect_raw(engine: Engine) -> Any:
    """A new driver connection, not pooled."""
    pooled = engine.raw_connection()
    raw = pooled.dbapi_connection
    pooled.detach()
    return raw


def is_broken(connection: Any) -> bool:
    """Whether a driver's connection has lost its server; never for SQLite."""
    return bool(getattr(connection, "closed", False))


def redacted_url(url: URL) -> str:
    """The URL without its password."""
    return url.database or url.render_as_string(hide_password=True)


def _urls(text: str) -> tuple[URL, URL]:
    try:
        url = make_url(with_hosts(text))
    except (exc.ArgumentError, ValueError):  # a port that is no number is a ValueError, and repeats the URL
        raise InvalidInput(
            "database: not a URL; write sqlite:///FILE or postgresql://HOST/NAME", field="database"
        ) from None
    name = url.get_backend_name()
    drivers = _DRIVERS.get(name)
    if drivers is None:
        raise InvalidInput(f"database: {name} is not supported; use sqlite or postgresql", field="database")
    if name == "sqlite" and url.database in {None, "", ":memory:"}:
        raise InvalidInput("database: name a file; a database in memory would not survive a restart", field="database")
    if name == "postgresql":
        url = url.set(query={**PATIENCE, **url.query})
    return url.set(drivername=drivers[0]), url.set(drivername=drivers[1])


def _give_back(connection: Any, _record: object) -> None:
    with contextlib.suppress(sqlite3.OperationalError):  # another master is doing it: try later
        make_incremental(connection)


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()
