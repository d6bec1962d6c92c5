"""Marks of masters in the ledger: which master had sent each command, and how far it had come then.

A mark is kept with the command, in the same commit, and that of a master's other messages in a table of its own. A
master whose database is an old copy finds marks here that it does not know, and asks for the commands since then. All
functions run in the writer's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain

from fleetfold_shared.messages import Command, MasterMark, RecalledCommand

__all__ = ["COLUMNS", "INDEXES", "TABLES", "columns_of", "hear", "read_marks", "read_restoration", "recall"]

Row = tuple[str, str, str, int, str | None, str, int, str, int]
"""The columns of `_SINCE`."""

AT_ONCE = 500
"""Most commands of one reply."""
MOST = 1000
"""Most masters that are told, and most that are kept of those that sent no command."""

COLUMNS = (
    ("master", "TEXT NOT NULL DEFAULT ''"), ("master_height", "INTEGER NOT NULL DEFAULT 0"),
    ("master_seal", "TEXT NOT NULL DEFAULT ''"), ("restoration", "INTEGER NOT NULL DEFAULT 0"),
)  # fmt: skip
"""Of the table of commands: the mark of the master that has sent the command first."""
TABLES = (
    """
    CREATE TABLE IF NOT EXISTS fleetfold_master (
        master TEXT PRIMARY KEY,
        height INTEGER NOT NULL,
        seal TEXT NOT NULL,
        restoration INTEGER NOT NULL
    )
    """,
)
INDEXES = (
    """
    CREATE INDEX IF NOT EXISTS fleetfold_command_master ON fleetfold_command (master, master_height, id)
        WHERE master <> ''
    """,
)

_HEAR = """
    INSERT INTO fleetfold_master VALUES (?, ?, ?, ?)
    ON CONFLICT (master) DO UPDATE SET
        height = excluded.height, seal = excluded.seal, restoration = excluded.restoration
        WHERE excluded.height > height OR excluded.restoration > restoration
"""
_FORGET = "DELETE FROM fleetfold_master WHERE rowid <= (SELECT max(rowid) FROM fleetfold_master) - ?"
_HEARD = "SELECT master, height, '', seal, restoration FROM fleetfold_master ORDER BY rowid"
_NEXT = "SELECT min(master) FROM fleetfold_command WHERE master <> '' AND master > ?"
_HIGHEST = (
    "SELECT master, master_height, id, master_seal, restoration FROM fleetfold_command"
    " WHERE master <> '' AND master = ? ORDER BY master_height DESC LIMIT 1"
)
_SINCE = (
    "SELECT id, action, coalesce(outcome, ''), epoch, compensates, master, master_height, master_seal,"
    " restoration"
    " FROM fleetfold_command WHERE master <> '' AND master = ? AND master_height >= ? AND id > ? ORDER BY id LIMIT ?"
)


def columns_of(command: Command) -> tuple[str, int, str, int]:
    """Return the command's mark as values of the columns."""
    mark = command.mark
    return ("", 0, "", 0) if mark is None else (mark.master, mark.height, mark.seal, mark.restoration)


def hear(connection: sqlite3.Connection, mark: MasterMark) -> None:
    """Keep the mark of a message that is no command."""
    connection.execute(_HEAR, (mark.master, mark.height, mark.seal, mark.restoration))
    connection.execute(_FORGET, (MOST,))


def read_restoration(connection: sqlite3.Connection) -> int:
    """Return the highest number of a restoration that was told."""
    heard = connection.execute("SELECT coalesce(max(restoration), 0) FROM fleetfold_master").fetchone()
    return int(heard[0])


def read_marks(connection: sqlite3.Connection) -> list[MasterMark]:
    """Return the highest mark of each master, of commands and of other messages, the latest heard last."""
    marks = dict[str, MasterMark]()
    heard = connection.execute(_HEARD).fetchall()
    for found in chain(_of_commands(connection), heard):
        mark = MasterMark(*found)
        if mark.master not in marks or mark.height > marks[mark.master].height:
            marks[mark.master] = mark
    return list(marks.values())[-MOST:]


def recall(
    connection: sqlite3.Connection, since: Iterable[MasterMark], after: str
) -> tuple[list[RecalledCommand], bool]:
    """Return up to `AT_ONCE` commands since these marks, by id, from the one behind `after`; and if more follow."""
    rows = sorted(chain.from_iterable(_since(connection, mark, after) for mark in since))
    return [_recalled(row) for row in rows[:AT_ONCE]], len(rows) > AT_ONCE


def _of_commands(connection: sqlite3.Connection) -> Iterator[tuple[str, int, str, str, int]]:
    """The highest mark of each master that has sent commands, one look at the index each."""
    last = ""
    while (last := connection.execute(_NEXT, (last,)).fetchone()[0]) is not None:
        yield connection.execute(_HIGHEST, (last,)).fetchone()


def _since(connection: sqlite3.Connection, mark: MasterMark, after: str) -> list[Row]:
    return connection.execute(_SINCE, (mark.master, mark.height, after, AT_ONCE + 1)).fetchall()


def _recalled(row: Row) -> RecalledCommand:
    key, action, outcome, epoch, compensates, master, height, seal, restoration = row
    mark = MasterMark(master, height, key, seal, restoration)
    return RecalledCommand(id=key, action=action, mark=mark, outcome=outcome, epoch=epoch, compensates=compensates)
