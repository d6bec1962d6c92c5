"""Runs an action whose effect is in a database of the application's: effect and marker in one commit there, the ledger
after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from fleetfold_child.ledger.admission import Admission
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.ids import key_of
from fleetfold_shared.messages import Command, CommandResult

if TYPE_CHECKING:
    from fleetfold_child.app_database.application_database import ApplicationDatabase, Work

__all__ = ["run_elsewhere"]


async def run_elsewhere(
    database: ApplicationDatabase,
    command: Command,
    admission: Admission,
    limit_s: float,
    run: Callable[[Work], Awaitable[CommandResult]],
) -> CommandResult:
    """The command's result: what its marker says, or what `run` gives in a transaction that is committed if it is ok.

    `Unavailable` when nobody knows yet: it may have been committed, now or at an earlier start, and the database does
    not answer. The command must come again.
    """
    claimed = False
    try:
        async with database.transaction(_marked(command), limit_s) as work:
            claimed = True
            if work.answer is not None:
                return _again(work.answer, command, admission)
            result = await run(work)
            return await _committed(work, result) if result.outcome == "ok" else result
    except FleetfoldError as error:  # out of reach, or without its table
        if claimed or admission.starts > 1:
            raise
        return _failed(CommandResult(id=command.id, attempt=command.attempt, epoch=command.epoch,
                                     outcome="failed", starts=admission.starts), error.message)  # fmt: skip


def _marked(command: Command) -> str:
    """What it is marked as. All that undo one step share a marker: it is undone once, though the ledger be lost."""
    return command.id if command.compensates is None else key_of(command.id)


async def _committed(work: Work, result: CommandResult) -> CommandResult:
    from fleetfold_child.app_database.application_database import CommitRefused

    try:
        await work.commit(result)
    except CommitRefused as error:  # a deferred constraint, a conflict with another transaction, a lost connection
        return _failed(result, f"its transaction could not be committed: {error}")
    return result


def _again(answer: CommandResult, command: Command, admission: Admission) -> CommandResult:
    """The stored answer, as one to this attempt."""
    return msgspec.structs.replace(
        answer, id=command.id, attempt=command.attempt, epoch=command.epoch, starts=admission.starts
    )


def _failed(result: CommandResult, why: str) -> CommandResult:
    return msgspec.structs.replace(result, outcome="failed", result=None, error=why)
