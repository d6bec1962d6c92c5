"""Runner of actions whose effect is in a database of the application's: effect and idempotency row in one commit there,
the ledger after it.
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
    from fleetfold_child.app_database.application_database import ApplicationDatabase, EffectTransaction

__all__ = ["run_in_external_database"]


async def run_in_external_database(
    database: ApplicationDatabase,
    command: Command,
    admission: Admission,
    limit_s: float,
    run: Callable[[EffectTransaction], Awaitable[CommandResult]],
) -> CommandResult:
    """Return the command's result: the stored one, or that of `run`, whose transaction is committed if it is ok.

    Raises `Unavailable` when the result is unknown: it may have been committed, now or at an earlier start, and the
    database does not answer. The command must then be delivered again.
    """
    claimed = False
    try:
        async with database.transaction(_row_key(command), limit_s) as work:
            claimed = True
            if work.answer is not None:
                return _replayed(work.answer, command, admission)
            result = await run(work)
            return await _committed(work, result) if result.outcome == "ok" else result
    except FleetfoldError as error:  # out of reach, or without its table
        if claimed or admission.starts > 1:
            raise
        return _failed(CommandResult(id=command.id, attempt=command.attempt, epoch=command.epoch,
                                     outcome="failed", starts=admission.starts), error.message)  # fmt: skip


def _row_key(command: Command) -> str:
    """Return the key of the idempotency row. All compensations of one step share a row, so that it is compensated once
    even if the ledger is lost.
    """
    return command.id if command.compensates is None else key_of(command.id)


async def _committed(work: EffectTransaction, result: CommandResult) -> CommandResult:
    from fleetfold_child.app_database.application_database import CommitRefused

    try:
        await work.commit(result)
    except CommitRefused as error:  # a deferred constraint, a conflict with another transaction, a lost connection
        return _failed(result, f"its transaction could not be committed: {error}")
    return result


def _replayed(answer: CommandResult, command: Command, admission: Admission) -> CommandResult:
    """Return the stored result with the ids of this attempt."""
    return msgspec.structs.replace(
        answer, id=command.id, attempt=command.attempt, epoch=command.epoch, starts=admission.starts
    )


def _failed(result: CommandResult, why: str) -> CommandResult:
    return msgspec.structs.replace(result, outcome="failed", result=None, error=why)
