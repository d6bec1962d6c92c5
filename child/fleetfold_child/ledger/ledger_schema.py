"""Schema of the ledger, with functions to read and write its rows. All run in the writer's thread."""

from __future__ import annotations

import sqlite3
from typing import Any, Literal, NamedTuple

import msgspec

from fleetfold_child.ledger import (
    cancellations,
    confirmations,
    ledger_generation,
    master_marks,
    oversized_results,
    side_effect_log,
)
from fleetfold_shared.messages import ActionKind, Caller, Command, CommandResult, Params

__all__ = [
    "VERSION", "LedgerRow", "State", "begin", "create", "decode_answer", "find", "find_crashed",
    "find_other_compensation", "forget", "insert_done", "leave", "recover", "release", "store_result",
]  # fmt: skip

State = Literal["running", "done", "tombstone"]

VERSION = 2
"""Version of the schema. It rises only with a new series of fleetfold, so that within one a node may go back."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS fleetfold_schema (version INTEGER NOT NULL)",
    """
    CREATE TABLE IF NOT EXISTS fleetfold_command (
        id TEXT PRIMARY KEY,
        action TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        starts INTEGER NOT NULL,
        incarnation TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        compensates TEXT,
        params TEXT NOT NULL,
        timeout_s REAL,
        crashes INTEGER NOT NULL DEFAULT 0,
        lone_crashes INTEGER NOT NULL DEFAULT 0,
        outcome TEXT,
        refused INTEGER NOT NULL DEFAULT 0,
        answer TEXT,
        published INTEGER NOT NULL DEFAULT 0,
        admitted_at REAL NOT NULL,
        finished_at REAL,
        caller TEXT NOT NULL DEFAULT '',
        role TEXT NOT NULL DEFAULT '',
        confirmed INTEGER NOT NULL DEFAULT 0
    )
    """,
    cancellations.TABLE,
    *side_effect_log.TABLES,
    *oversized_results.TABLES,
    *ledger_generation.TABLES,
    *master_marks.TABLES,
)
_INDEXES = (
    """
    CREATE INDEX IF NOT EXISTS fleetfold_command_compensates ON fleetfold_command (compensates)
        WHERE compensates IS NOT NULL
    """,
    "CREATE INDEX IF NOT EXISTS fleetfold_command_running ON fleetfold_command (state) WHERE state = 'running'",
    """
    CREATE INDEX IF NOT EXISTS fleetfold_command_unpublished ON fleetfold_command (finished_at)
        WHERE published = 0 AND finished_at IS NOT NULL
    """,
    "DROP INDEX IF EXISTS fleetfold_command_published",
    *confirmations.INDEXES,
    *master_marks.INDEXES,
)
_COLUMNS = (
    "id, action, kind, state, starts, incarnation, epoch, attempt, compensates, params, timeout_s, crashes,"
    " lone_crashes, outcome, refused, answer, published, caller, role"
)


class LedgerRow(NamedTuple):
    """One command in the ledger.

    `incarnation` is the process that runs it, empty when none does. `crashes` counts the process's crashes while it
    ran, `lone_crashes` those while it ran alone. `answer` is the encoded `CommandResult`. `refused`: the handler said
    that it had no effect; `published`: the broker has stored the result. `unsent` is the JSON of the known part of a
    result that could not be sent, where it was looked up.
    """

    id: str
    action: str
    kind: ActionKind
    state: State
    starts: int
    incarnation: str
    epoch: int
    attempt: int
    compensates: str | None
    params: str
    timeout_s: float | None
    crashes: int
    lone_crashes: int
    outcome: str | None
    refused: int
    answer: str | None
    published: int = 0
    caller: str = ""
    role: str = ""
    unsent: str | None = None

    def value(self) -> Any:
        """Return the value of the finished command, as far as it is known."""
        return self.result().result if self.unsent is None else msgspec.json.decode(self.unsent)

    def result(self) -> CommandResult:
        """Return the stored result of a finished command."""
        assert self.answer is not None
        return decode_answer(self.answer)

    def command(self) -> Command:
        """Rebuild the command, to run it from the ledger."""
        params: Params = msgspec.json.decode(self.params)
        return Command(
            id=self.id, attempt=self.attempt, action=self.action, params=params, epoch=self.epoch,
            compensates=self.compensates, timeout_s=self.timeout_s,
            caller=Caller(self.caller, self.role) if self.caller else None,
        )  # fmt: skip


_answers = msgspec.json.Decoder(CommandResult)


def decode_answer(answer: str) -> CommandResult:
    return _answers.decode(answer)


def create(connection: sqlite3.Connection) -> None:
    """Create missing tables, and bring those of an earlier version up to date: see `ledger_upgrade`."""
    for statement in _TABLES:
        connection.execute(statement)
    _add_columns(connection)
    for statement in _INDEXES:
        connection.execute(statement)
    ledger_generation.create(connection)
    found = connection.execute("SELECT max(version) FROM fleetfold_schema").fetchone()[0]
    if found is None:
        connection.execute("INSERT INTO fleetfold_schema VALUES (?)", (VERSION,))
    elif found < VERSION:
        connection.execute("UPDATE fleetfold_schema SET version = ?", (VERSION,))


def _add_columns(connection: sqlite3.Connection) -> None:
    """Add columns that files of an earlier version lack."""
    there = {row[1] for row in connection.execute("PRAGMA table_info(fleetfold_command)")}
    for name, kind in (
        ("caller", "TEXT NOT NULL DEFAULT ''"),
        ("role", "TEXT NOT NULL DEFAULT ''"),
        ("confirmed", "INTEGER NOT NULL DEFAULT 0"),
        *master_marks.COLUMNS,
    ):
        if name not in there:
            connection.execute(f"ALTER TABLE fleetfold_command ADD COLUMN {name} {kind}")


def recover(connection: sqlite3.Connection) -> None:
    """After a crash, mark commands as not running, and count the crash, and whether one ran alone."""
    was_running = "state = 'running' AND incarnation <> ''"
    (dead,) = connection.execute(f"SELECT count(*) FROM fleetfold_command WHERE {was_running}").fetchone()  # noqa: S608  # a constant
    connection.execute(
        "UPDATE fleetfold_command SET crashes = crashes + 1, lone_crashes = lone_crashes + ?, incarnation = ''"  # noqa: S608
        f" WHERE {was_running}",
        (dead == 1,),
    )


def find_crashed(connection: sqlite3.Connection, times: int) -> set[str]:
    """Return unfinished commands that were running in at least `times` crashes."""
    found = connection.execute("SELECT id FROM fleetfold_command WHERE state = 'running' AND crashes >= ?", (times,))
    return {command_id for (command_id,) in found}


def leave(connection: sqlite3.Connection) -> None:
    """Before an orderly stop, mark commands as not running, so that no crash is counted."""
    connection.execute("UPDATE fleetfold_command SET incarnation = '' WHERE state = 'running' AND incarnation <> ''")


_FIND = f"SELECT {_COLUMNS} FROM fleetfold_command WHERE id = ?"  # noqa: S608  # a constant


def find(connection: sqlite3.Connection, command_id: str) -> LedgerRow | None:
    found = connection.execute(_FIND, (command_id,)).fetchone()
    return None if found is None else LedgerRow(*found)


def find_other_compensation(connection: sqlite3.Connection, forward_id: str, but: str) -> LedgerRow | None:
    """Return another compensation of `forward_id` that succeeded or is running, if any."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM fleetfold_command WHERE compensates = ? AND id <> ?"  # noqa: S608  # a constant
        " AND (outcome = 'ok' OR state = 'running') ORDER BY outcome IS NULL LIMIT 1",
        (forward_id, but),
    ).fetchone()
    return None if found is None else LedgerRow(*found)


_BEGIN = """
    INSERT INTO fleetfold_command
        (id, action, kind, state, starts, incarnation, epoch, attempt, compensates, params, timeout_s, admitted_at,
         caller, role, master, master_height, master_seal, restoration)
    VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        starts = excluded.starts, incarnation = excluded.incarnation, epoch = excluded.epoch,
        attempt = excluded.attempt, params = excluded.params
"""


def begin(
    connection: sqlite3.Connection, command: Command, kind: ActionKind, starts: int, incarnation: str, now: float
) -> None:
    """Store that the command is running in this process, for the `starts`-th time."""
    connection.execute(
        _BEGIN,
        (
            command.id, command.action, kind, starts, incarnation, command.epoch, command.attempt,
            command.compensates, _text(command.params), command.timeout_s, now, *_caller(command),
            *master_marks.columns_of(command),
        ),
    )  # fmt: skip


_FINISH = """
    UPDATE fleetfold_command SET
        state = 'done', incarnation = '', outcome = ?, refused = ?, answer = ?, finished_at = ?,
        params = CASE WHEN length(params) > 4096 THEN '{}' ELSE params END  -- a batch of documents need not stay
    WHERE id = ? AND state = 'running'
"""


def store_result(connection: sqlite3.Connection, result: CommandResult, now: float, *, refused: bool = False) -> None:
    """Store the result of a running command."""
    connection.execute(_FINISH, (result.outcome, refused, _text(result), now, result.id))


_DONE = """
    INSERT INTO fleetfold_command
        (id, action, kind, state, starts, incarnation, epoch, attempt, compensates, params, outcome, answer, published,
         admitted_at, finished_at, caller, role, master, master_height, master_seal, restoration)
    VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, '{}', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        state = excluded.state, incarnation = '', starts = excluded.starts, outcome = excluded.outcome,
        answer = excluded.answer, published = excluded.published, finished_at = excluded.finished_at
"""


def insert_done(
    connection: sqlite3.Connection,
    command: Command,
    kind: ActionKind,
    result: CommandResult,
    now: float,
    *,
    state: State = "done",
    published: bool = False,
) -> None:
    """Store a command that ended without being run (again)."""
    connection.execute(
        _DONE,
        (
            command.id, command.action, kind, state, result.starts, command.epoch, command.attempt,
            command.compensates, result.outcome, _text(result), published, now, now, *_caller(command),
            *master_marks.columns_of(command),
        ),
    )  # fmt: skip


def release(connection: sqlite3.Connection, command_id: str) -> None:
    """Mark the command as not running between two tries, so that a crash is not counted for it."""
    connection.execute(
        "UPDATE fleetfold_command SET incarnation = '' WHERE id = ? AND state = 'running'", (command_id,)
    )


def forget(connection: sqlite3.Connection, command_id: str) -> None:
    """Delete the command's row."""
    connection.execute("DELETE FROM fleetfold_command WHERE id = ?", (command_id,))


def _caller(command: Command) -> tuple[str, str]:
    return ("", "") if command.caller is None else (command.caller.name, command.caller.role)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
