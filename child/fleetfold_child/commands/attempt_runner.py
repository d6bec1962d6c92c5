"""Runner of one handler: within its time limits, to an outcome that is stored in the ledger.

A handler that is interrupted because the node stops has no outcome: its command stays open in the ledger, and is
decided when it is delivered again.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.app_database.external_runner import run_in_external_database
from fleetfold_child.commands.actions import AnyAction
from fleetfold_child.commands.command_run import CommandRun, ScheduledRetry
from fleetfold_child.commands.context import Context, Documents, Refused
from fleetfold_child.commands.exit_containment import ContainedTasks, is_from_outside
from fleetfold_child.commands.outcomes import CommandOutcome, never_begun, raised, result_of, stopped
from fleetfold_child.commands.result_encoding import returned
from fleetfold_child.commands.retry_policy import names_of, pause_s, policy_of
from fleetfold_child.commands.time_limits import TimeLimits
from fleetfold_child.ledger.admission import Admission
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_child.ledger.node_database import Database
from fleetfold_child.ledger.side_effect_log import SideEffectLog
from fleetfold_shared.backoff import Random
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.exception_text import exception_text, named_text
from fleetfold_shared.messages import Command, CommandResult

if TYPE_CHECKING:
    from fleetfold_child.app_database.application_database import ApplicationDatabase, EffectTransaction

__all__ = ["Runner"]

_NOT_COMMITTED = frozenset({"unavailable", "Unavailable", "CommitRefused"})
"""Names in a retry policy of a transaction that the application's database did not commit."""


class _UncertainEffectError(Exception):
    """The check of a `once` action failed, so it is unknown whether it had an effect."""


class Runner:
    """Runs handlers with what they need of the node. A result over `max_result_bytes` of JSON is not sent."""

    def __init__(
        self,
        node: str,
        ledger: Ledger,
        collections: Mapping[str, Documents],
        max_result_bytes: int,
        randomly: Random = random.random,
        databases: Databases | None = None,
    ) -> None:
        self._node = node
        self._ledger = ledger
        self._collections = collections
        self._max_result_bytes = max_result_bytes
        self._randomly = randomly
        self._databases = databases

    async def run(
        self, action: AnyAction, command: Command, admission: Admission, run: CommandRun
    ) -> CommandResult | ScheduledRetry:
        """Run one try of an admitted command; return its result, stored in the ledger, or when to try again."""
        try:
            if action.database is not None and self._databases is not None:
                return await self._run_in_application_database(
                    action, command, admission, run, self._databases.of(action)
                )
            if action.info.kind == "transactional":
                return await self._run_in_transaction(action, command, admission, run)
            began = time.perf_counter()
            run.side_effects = self._durable_log(command, admission)
            ending = await self._end(action, command, admission, run, db=self._ledger.database)
            run.noted |= run.side_effects.used
            result = result_of(command, admission, run, ending, began)
            return await self._conclude(action, result, ending, run)
        except BaseException:
            self._ledger.abandon(command.id)
            raise

    async def _run_in_transaction(
        self, action: AnyAction, command: Command, admission: Admission, run: CommandRun
    ) -> CommandResult | ScheduledRetry:
        """Run the handler in a transaction: effect and result are one commit, and without a result there is no
        effect.
        """
        began = time.perf_counter()
        async with self._ledger.transaction() as transaction:
            run.side_effects = side_effects = SideEffectLog()
            ending = await self._end(action, command, admission, run, tx=transaction)
            if ending.outcome == "ok":
                result = result_of(command, admission, run, ending, began)
                try:
                    committed = self._ledger.finishing(result, notes=side_effects.buffered)
                    self._ledger.reached(await transaction.commit(committed))
                except sqlite3.Error as error:  # a deferred constraint, or a transaction that SQLite has ended
                    why = f"its transaction could not be committed: {error}"
                    ending = CommandOutcome("failed", error=why, names=names_of(error))
                else:
                    return result
        result = result_of(command, admission, run, ending, began)
        return await self._conclude(action, result, ending, run)

    async def _conclude(
        self, action: AnyAction, result: CommandResult, ending: CommandOutcome, run: CommandRun
    ) -> CommandResult | ScheduledRetry:
        """Store the result, unless another try follows."""
        if (again := self._next_try(action, result, ending, run)) is not None:
            await self._ledger.release(result.id)
            return again
        await self._ledger.finish(result, refused=ending.refused, unsent=ending.unsent)
        return result

    def _durable_log(self, command: Command, admission: Admission) -> SideEffectLog:
        return SideEffectLog(partial(self._ledger.note, command.id, admission.starts))

    def _next_try(
        self, action: AnyAction, result: CommandResult, ending: CommandOutcome, run: CommandRun
    ) -> ScheduledRetry | None:
        """Return the next try, if any: none for a command that is cancelled or compensated, or after the time for all
        tries.
        """
        if not ending.names or run.over is not None:
            return None
        if (policy := policy_of(action, run.command)) is None:
            return None
        pause = pause_s(policy, run.attempt, ending.names, self._randomly)
        if pause is None or asyncio.get_running_loop().time() + pause >= run.overall_until:
            return None
        clean = (ending.outcome == "failed" and not run.noted) or action.info.kind == "transactional"
        return ScheduledRetry(pause, result, clean)

    async def _run_in_application_database(
        self,
        action: AnyAction,
        command: Command,
        admission: Admission,
        run: CommandRun,
        database: ApplicationDatabase,
    ) -> CommandResult | ScheduledRetry:
        """Run the handler in the application's database: effect and idempotency row are one commit there; the ledger
        follows.
        """
        began, ended = time.perf_counter(), CommandOutcome("failed", names=_NOT_COMMITTED)
        run.side_effects = self._durable_log(command, admission)

        async def handle(work: EffectTransaction) -> CommandResult:
            nonlocal ended
            ended = await self._end(action, command, admission, run, tx=work)
            return result_of(command, admission, run, ended, began)

        limit_s = max(action.info.timeout_s, command.timeout_s or 0.0)
        result = await run_in_external_database(database, command, admission, limit_s, handle)
        if result.outcome != "ok":
            ending = ended if ended.outcome != "ok" else CommandOutcome("failed", names=_NOT_COMMITTED)
            if (again := self._next_try(action, result, ending, run)) is not None:
                await self._ledger.release(command.id)
                return again
        await self._ledger.finish(result)
        return result

    async def _end(
        self,
        action: AnyAction,
        command: Command,
        admission: Admission,
        run: CommandRun,
        *,
        tx: Database | None = None,
        db: Database | None = None,
    ) -> CommandOutcome:
        if run.cancelled_by is not None:
            return never_begun(action, admission, run.cancelled_by)
        try:
            params, run.params = run.params, None
            if params is None or admission.params is not command.params:
                params = action.parameters.decode(admission.params or {})
        except InvalidInput as error:  # a rollback's placeholders are filled only now
            return CommandOutcome("rejected", error=error.message)
        limits = TimeLimits(action, command, run)
        run.reporter.begin(run.attempt)
        context = Context(
            node=self._node,
            command_id=command.id,
            starts=admission.starts,
            deadline=limits.until,
            tx=tx,
            db=db,
            collections=self._collections,
            action=command.action,
            attempt=run.attempt,
            reporter=run.reporter,
            forward=admission.compensates,
            side_effects=run.side_effects,
            caller=command.caller,
        )
        try:
            return await self._within(limits, action, context, params)
        finally:
            limits.end()
            context.cancel()

    async def _within(
        self, limits: TimeLimits, action: AnyAction, context: Context, params: dict[str, Any]
    ) -> CommandOutcome:
        """Run the handler to an outcome. Only cancellation from outside is raised."""
        task, compensating = asyncio.current_task(), context.forward is not None
        try:
            async with asyncio.timeout_at(limits.until) as limit:
                limits.begin(limit, context)
                with ContainedTasks():
                    value = await _value(action, context, params)
                return returned(value, action, self._max_result_bytes, compensating=compensating)
        except Refused as refusal:
            # an earlier start may have done something before it was interrupted, which this one does not know of
            return CommandOutcome("failed", error=exception_text(refusal), refused=context.starts == 1)
        except _UncertainEffectError as error:
            return CommandOutcome("unknown", error=str(error))
        except BaseException as error:  # an application's code may raise anything
            if is_from_outside(error, task):
                raise
            if isinstance(error, asyncio.CancelledError):
                return stopped(action, context) or CommandOutcome(
                    "failed", error="CancelledError: the handler cancelled itself"
                )
            return raised(error, limits, action, context, ended=limit.expired())


async def _value(action: AnyAction, context: Context, params: dict[str, Any]) -> Any:
    """Return the handler's value, or after an interruption what its check finds, if anything."""
    if context.starts > 1 and action.check is not None:
        happened = await _check(action, context, params)
        if happened is not None:
            return happened
    return await action.run(context, params)


async def _check(action: AnyAction, context: Context, params: dict[str, Any]) -> Any:
    try:
        return await action.happened(context, params)
    except BaseException as error:  # as above
        if is_from_outside(error, asyncio.current_task()):
            raise
        if action.info.kind == "once":
            raise _UncertainEffectError(f"it was interrupted, and its check failed: {named_text(error)}") from error
        context.log.warning("the check failed, so the action runs again", error=named_text(error))
        return None
