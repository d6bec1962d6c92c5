"""The master's PostgreSQL database: dumped by `pg_dump` at a pinned snapshot, restored by `pg_restore`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fleetfold.backup.manifest import BackupStore
from fleetfold.backup.pinned_stores import CopiedFile
from fleetfold_shared.errors import Conflict, InternalError, InvalidInput, Unavailable

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composed

__all__ = ["PinnedPostgres", "check_unused", "dump_damage", "ids_in", "restore_dump"]

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_PREFIX = "postgresql://"


class PinnedPostgres:
    """The database at `url`, `path` in the backup: a transaction holds its snapshot, which `pg_dump` reads."""

    def __init__(self, path: str, url: str) -> None:
        self._path, self._url = path, url
        _program("pg_dump")
        self._connection = _connect(url)
        self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._snapshot = str(_value(self._connection, "SELECT pg_export_snapshot()"))
        self._taken_at = time.time()

    def copy(self, scratch: Path) -> tuple[BackupStore, list[CopiedFile]]:
        made = scratch / "copy.dump"
        words = ["--format=custom", "--no-owner", "--no-acl", f"--snapshot={self._snapshot}", f"--file={made}"]
        _run("pg_dump", words, self._url)
        schema = str(_value(self._connection, "SELECT version_num FROM alembic_version"))
        store = BackupStore(
            path=self._path, kind="postgresql", taken_at=self._taken_at, schema=schema, rows=_rows(self._connection)
        )
        return store, [CopiedFile(self._path, made)]

    def close(self) -> None:
        self._connection.close()


def dump_damage(dump: Path) -> str:
    """Return why `pg_restore` cannot read the dump; empty when it can read all of it."""
    done = subprocess.run(  # noqa: S603 (a program of PostgreSQL's, with our own words)
        [_program("pg_restore"), "--file=/dev/null", str(dump)], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else _first_line(done.stderr)


def check_unused(url: str, *, force: bool) -> None:
    """Raise `Conflict` if somebody is connected to the database, or if it is not empty; with `force` its tables may be
    replaced."""
    with _connect(url) as connection:
        if _value(connection, _OTHERS):
            raise Conflict("database: it is in use; stop all masters, and whatever else is connected", field="database")
        if connection.execute(_TABLES).fetchall() and not force:
            raise Conflict(
                "database: it is not empty; restore to an empty one, or replace its tables with --force",
                field="database",
            )


def ids_in(url: str, table: Literal["job", "tx"]) -> set[str]:
    """Return the ids of the table's rows."""
    with _connect(url) as connection:
        return {str(row[0]) for row in connection.execute(f"SELECT id FROM {table}").fetchall()}  # noqa: S608 (two names of ours)


def restore_dump(dump: Path, url: str) -> None:
    """Restore the dump in one transaction, in place of tables that are there."""
    _run("pg_restore", ["--no-owner", "--no-acl", "--clean", "--if-exists", "--single-transaction", str(dump)], url)


def _run(program: str, words: Sequence[str], url: str) -> None:
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    place = conninfo_to_dict(_plain(url))
    password = place.pop("password", None)  # other users of the machine see a program's words
    env = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    command = [_program(program), *words, f"--dbname={make_conninfo('', **place)}"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 (as above)
    if done.returncode:
        raise Unavailable(f"database: {program} failed: {_first_line(done.stderr)}")


def _connect(url: str) -> Connection:
    import psycopg

    try:
        return psycopg.connect(_plain(url), autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise Unavailable(f"database: it cannot be reached: {_first_line(str(error))}; check its URL") from None


def _plain(url: str) -> str:
    """The URL as libpq reads it, without SQLAlchemy's name of the driver."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] != "postgresql":
        raise InvalidInput(f"database: {scheme} is not supported; use sqlite or postgresql", field="database")
    return _PREFIX + rest


def _rows(connection: Connection) -> dict[str, int]:
    from psycopg import sql

    names = [str(row[0]) for row in connection.execute(_TABLES).fetchall()]
    counting = sql.SQL("SELECT count(*) FROM {}")
    return {name: int(str(_value(connection, counting.format(sql.Identifier(name))))) for name in names}


def _value(connection: Connection, query: str | Composed) -> object:
    row = connection.execute(query).fetchone()
    if row is None:
        raise InternalError("database: it answers nothing; look into its log")
    found: object = row[0]
    return found


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{name} is not installed; install PostgreSQL's client programs, of the server's version")
    return found


def _first_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[0] if lines else "it says nothing"
