"""Idempotency row: a row in the application's database that says which command has taken effect there, and its result.

It is written in the transaction of the effect, so there is one where the effect is, and none where it is not. It is
claimed first and filled last: a claim of a command that another transaction is running waits for that one's end. A
compensation claims it too, and leaves a tombstone. The first commit decides for good.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import (
    Column,
    Double,
    Executable,
    Index,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from fleetfold_shared.messages import CommandResult

__all__ = ["TABLE", "claim", "fill", "forget", "metadata", "tombstone"]

TABLE = "fleetfold_done"
UNFILLED = ""

metadata = MetaData()
done = Table(
    TABLE,
    metadata,
    Column("node", String(63), primary_key=True),
    Column("command", String(255), primary_key=True),
    Column("answer", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("fleetfold_done_by_age", "node", "at"),
)

_CLAIM: dict[str, Executable] = {
    "sqlite": sqlite.insert(done).on_conflict_do_nothing().returning(done.c.command),
    "postgresql": postgresql.insert(done).on_conflict_do_nothing().returning(done.c.command),
}
_THIS = (done.c.node == bindparam("of_node"), done.c.command == bindparam("of_command"))
_FIND = select(done.c.answer).where(*_THIS)
_FILL = update(done).where(*_THIS, done.c.answer == UNFILLED).values(answer=bindparam("filled"), at=bindparam("now"))
_FORGET = delete(done).where(
    done.c.node == bindparam("of_node"), done.c.command.in_(bindparam("commands", expanding=True))
)

_answers = msgspec.json.Decoder(CommandResult)


async def claim(connection: AsyncConnection, node: str, command_id: str, now: float) -> CommandResult | None:
    """Claim the command for this transaction; if it was decided before, return its result or tombstone."""
    row = {"node": node, "command": command_id, "answer": UNFILLED, "at": now}
    if (await connection.execute(_CLAIM[connection.dialect.name], row)).first() is not None:
        return None
    found = await connection.execute(_FIND, {"of_node": node, "of_command": command_id})
    answer: str = found.scalar_one()
    return _answers.decode(answer) if answer != UNFILLED else _unfilled(command_id)


async def fill(connection: AsyncConnection, node: str, command_id: str, result: CommandResult, now: float) -> None:
    """Store the result of the claimed command, to be committed with its effect."""
    answer = msgspec.json.encode(result).decode()
    given = {"of_node": node, "of_command": command_id, "filled": answer, "now": now}
    touched = await connection.execute(_FILL, given)
    if touched.rowcount != 1:  # the handler has rolled it back by hand
        raise RuntimeError("its transaction was ended by the handler; an action only reads and writes")


async def forget(connection: AsyncConnection, node: str, command_ids: Sequence[str]) -> int:
    """Delete the rows of these commands; return their number."""
    return (await connection.execute(_FORGET, {"of_node": node, "commands": list(command_ids)})).rowcount


def tombstone(command_id: str) -> CommandResult:
    """Return the result of a command that was compensated before it took effect."""
    return CommandResult(
        id=command_id, attempt=0, epoch=0, outcome="rejected", tombstone=True,
        error="it was compensated before it took effect, and is not run any more",
    )  # fmt: skip


def _unfilled(command_id: str) -> CommandResult:
    return CommandResult(
        id=command_id, attempt=0, epoch=0, outcome="unknown",
        error="its transaction was committed by the handler, and the node stopped after that",
    )  # fmt: skip
