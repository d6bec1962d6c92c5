"""SQLAlchemy Core statements compiled once to the driver's SQL, for paths on which compiling each time costs too much.

Executing a Core statement costs some 60 us of CPU, the driver alone 3; a job or a transaction step needs several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Dialect, Executable, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["Compiler", "Cursor", "Row", "Script", "Write", "execute", "insert_once"]

Row = Mapping[str, Any]


class Cursor(Protocol):
    """The part of a DBAPI cursor that is used."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: str, parameters: Any, /) -> object: ...

    def executemany(self, sql: str, parameters: Any, /) -> object: ...

    def fetchall(self) -> Sequence[Sequence[Any]]: ...


class Write(NamedTuple):
    """A statement and the rows of parameters to run it with, in the driver's types."""

    statement: Executable
    rows: Sequence[Row]


class _Compiled(NamedTuple):
    sql: str
    order: tuple[str, ...] | None
    constants: Row
    clean: bool = False

    def parameters(self, row: Row) -> Any:
        """A row in the driver's types; literals of the statement are parameters as well."""
        full = {**self.constants, **row} if self.constants else row
        if self.clean:
            full = {name: _without_nul(value) for name, value in full.items()}
        return full if self.order is None else tuple([full[name] for name in self.order])


def insert_once(table: Table) -> Executable:
    """An insert of all columns that does nothing if the key exists, in the syntax of PostgreSQL and SQLite."""
    return postgresql.insert(table).on_conflict_do_nothing()


class Compiler:
    """Compiles each statement once for one dialect; statements are module constants, identified by `id`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[Executable, _Compiled] = {}

    def __call__(self, statement: Executable) -> _Compiled:
        known = self._known.get(statement)
        if known is None:
            known = self._known[statement] = self._compile(statement)
        return known

    def _compile(self, statement: Executable) -> _Compiled:
        compiled = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]  # all of ours are ClauseElements
        assert isinstance(compiled, SQLCompiler)
        order = None if compiled.positiontup is None else tuple(compiled.positiontup)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return _Compiled(str(compiled), order, constants, self._dialect.name == "postgresql")


def _without_nul(value: Any) -> Any:
    """The text without NUL, which PostgreSQL rejects, but an application's error may contain."""
    return value.replace("\0", "\ufffd") if type(value) is str and "\0" in value else value


def execute(cursor: Cursor, compiler: Compiler, writes: Iterable[Write]) -> int:
    """Run `writes` in order. Returns how many rows the first of them touched."""
    touched: int | None = None
    for statement, rows in writes:
        if not rows:
            continue
        compiled = compiler(statement)
        if len(rows) == 1:
            cursor.execute(compiled.sql, compiled.parameters(rows[0]))
        else:
            cursor.executemany(compiled.sql, [compiled.parameters(row) for row in rows])
        touched = cursor.rowcount if touched is None else touched
    return touched or 0


class Script(NamedTuple):
    """One transaction of the writer in which reads decide what is written."""

    cursor: Cursor
    compiler: Compiler

    def run(self, statement: Executable, **values: Any) -> int:
        """Run a statement. Returns how many rows it touched."""
        return execute(self.cursor, self.compiler, [Write(statement, [values])])

    def rows(self, statement: Executable, **values: Any) -> Sequence[Sequence[Any]]:
        """The rows of a statement, by position."""
        self.run(statement, **values)
        return self.cursor.fetchall()
