"""Side-effect log: notes of a running action, kept in the ledger in every case, for its compensation.

A note is a row of its own, with `seq` counted per command from 1, deleted by a trigger with its command.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.values import check_value

__all__ = ["MOST_NOTES", "MOST_NOTE_BYTES", "TABLES", "Forward", "Note", "SideEffectLog", "log_of", "read", "store"]

MOST_NOTES = 1000
"""Most notes of one command, over all its starts."""
MOST_NOTE_BYTES = 16 * 1024

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS fleetfold_note (
        command TEXT NOT NULL,
        seq INTEGER NOT NULL,
        start INTEGER NOT NULL,
        at REAL NOT NULL,
        said TEXT NOT NULL,
        PRIMARY KEY (command, seq)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER IF NOT EXISTS fleetfold_note_forgotten AFTER DELETE ON fleetfold_command
    BEGIN DELETE FROM fleetfold_note WHERE command = old.id; END
    """,
)


class Note(NamedTuple):
    """One note: the start of the command it belongs to, its Unix second by the node's clock, and its values by name."""

    start: int
    at: float
    values: dict[str, Any]


class Forward(msgspec.Struct, frozen=True, kw_only=True):
    """The command that is being compensated.

    `outcome` is `unknown` when it never ended; `result` is set when it was `ok`, and has the known part when it was
    `no_result`. `log` has the noted values by name, of which the last counts; `notes` has every note in order. `starts`
    counts its starts.
    """

    id: str
    action: str
    outcome: str
    starts: int
    result: Any = None
    log: dict[str, Any] = {}
    notes: Sequence[Note] = ()


class SideEffectLog:
    """Notes of one run. `write` makes a note durable; without it notes wait in `buffered` for the run's own commit."""

    def __init__(self, write: Callable[[str], Awaitable[None]] | None = None) -> None:
        self._write = write
        self.buffered: list[str] = []
        self.used = False

    async def note(self, values: Mapping[str, Any]) -> None:
        """Store `values`. Raises `InvalidInput` for values that cannot be stored."""
        said = _said(values)
        self.used = True  # first: a caller that is cancelled does not know whether it is written
        if self._write is not None:
            await self._write(said)
        elif len(self.buffered) < MOST_NOTES:
            self.buffered.append(said)
        else:
            raise _too_many()


def store(connection: sqlite3.Connection, command_id: str, start: int, now: float, said: Sequence[str]) -> None:
    """Store notes of a running command. Raises `RuntimeError` for one that has ended."""
    found = connection.execute(
        "SELECT (SELECT max(seq) FROM fleetfold_note WHERE command = ?) FROM fleetfold_command"
        " WHERE id = ? AND state = 'running' AND starts = ?",
        (command_id, command_id, start),
    ).fetchone()
    if found is None:
        raise RuntimeError("ctx.note: the action has ended, and what is done now nobody would undo: do not do it")
    last = found[0] or 0
    if last + len(said) > MOST_NOTES:
        raise _too_many()
    rows = [(command_id, seq, start, now, text) for seq, text in enumerate(said, start=last + 1)]
    connection.executemany("INSERT INTO fleetfold_note (command, seq, start, at, said) VALUES (?, ?, ?, ?, ?)", rows)


def read(connection: sqlite3.Connection, command_id: str) -> list[Note]:
    """Return a command's notes in order."""
    rows = connection.execute(
        "SELECT start, at, said FROM fleetfold_note WHERE command = ? ORDER BY seq", (command_id,)
    )
    return [Note(start, at, msgspec.json.decode(said)) for start, at, said in rows]


def log_of(notes: Sequence[Note]) -> dict[str, Any]:
    """Return the noted values by name; the last one counts."""
    return {name: value for note in notes for name, value in note.values.items()}


def _said(values: Mapping[str, Any]) -> str:
    if not values:
        raise InvalidInput("ctx.note: there is nothing to keep; give it values by name", field="note")
    check_value(dict(values), "ctx.note")
    said = msgspec.json.encode(values)
    if len(said) > MOST_NOTE_BYTES:
        raise InvalidInput(
            f"ctx.note: {', '.join(values)}: {len(said)} bytes of JSON; at most {MOST_NOTE_BYTES} are kept at once,"
            " so note what finds it again",
            field="note",
        )
    return said.decode()


def _too_many() -> InvalidInput:
    return InvalidInput(f"ctx.note: a command may note {MOST_NOTES} times; note several values at once", field="note")
