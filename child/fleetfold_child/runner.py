"""Runs one handler to its end: in the time allowed, to an outcome, stored in the ledger.

A handler that is interrupted because the node stops has no outcome: its command stays open in the ledger, and is
decided upon when it is delivered again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from fleetfold_child.actions import AnyAction
from fleetfold_child.admission import Admission
from fleetfold_child.context import Context, Documents, Refused
from fleetfold_child.database import Database
from fleetfold_child.ledger import Ledger
from fleetfold_child.notes import Notebook
from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.messages import Command, CommandResult, Outcome

__all__ = ["Runner"]

MOST_ERROR_CHARS = 2000


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a handler ended. `refused`: by its own word nothing has happened."""

    outcome: Outcome
    result: Any = None
    error: str | None = None
    refused: bool = False


class _CannotTellError(Exception):
    """The check of a `once` action failed, so nobody knows whether it happened."""


class Runner:
    """What a handler's run needs of the node. A result over `max_result_bytes` of JSON is `failed`."""

    def __init__(self, node: str, ledger: Ledger, collections: Mapping[str, Documents], max_result_bytes: int) -> None:
        self._node = node
        self._ledger = ledger
        self._collections = collections
        self._max_result_bytes = max_result_bytes

    async def run(self, action: AnyAction, command: Command, admission: Admission) -> CommandResult:
        """Run an admitted command; its result, which the ledger has by then."""
        try:
            if action.info.kind == "transactional":
                return await self._run_in_transaction(action, command, admission)
            began = time.perf_counter()
            notebook = Notebook(partial(self._ledger.note, command.id, admission.starts))
            ending = await self._end(action, command, admission, notebook, db=self._ledger.database)
            result = _result(command, admission, ending, began, noted=notebook.used and not ending.refused)
            await self._ledger.finish(result, refused=ending.refused)
        except BaseException:
            self._ledger.abandon(command.id)
            raise
        return result

    async def _run_in_transaction(self, action: AnyAction, command: Command, admission: Admission) -> CommandResult:
        """The effect and the result are one commit; without a result there is no effect."""
        began = time.perf_counter()
        async with self._ledger.transaction() as transaction:
            notebook = Notebook()
            ending = await self._end(action, command, admission, notebook, tx=transaction)
            if ending.outcome == "ok":
                result = _result(command, admission, ending, began)
                try:
                    await transaction.commit(self._ledger.finishing(result, notes=notebook.kept))
                except sqlite3.Error as error:  # a deferred constraint, or a transaction that SQLite has ended
                    ending = _Ending("failed", error=f"its transaction could not be committed: {error}")
                else:
                    return result
        result = _result(command, admission, ending, began)
        await self._ledger.finish(result, refused=ending.refused)
        return result

    async def _end(
        self,
        action: AnyAction,
        command: Command,
        admission: Admission,
        notebook: Notebook,
        *,
        tx: Database | None = None,
        db: Database | None = None,
    ) -> _Ending:
        try:
            params = action.parameters.decode(admission.params or {})
        except InvalidInput as error:  # a rollback's, whose placeholders have only now been filled
            return _Ending("rejected", error=error.message)
        limit_s = min(action.info.timeout_s, command.timeout_s or action.info.timeout_s)
        context = Context(
            node=self._node,
            command_id=command.id,
            starts=admission.starts,
            deadline=asyncio.get_running_loop().time() + limit_s,
            tx=tx,
            db=db,
            collections=self._collections,
            action=command.action,
            forward=admission.undoes,
            notebook=notebook,
        )
        try:
            return await self._within(limit_s, action, context, params)
        finally:
            context.cancel()

    async def _within(self, limit_s: float, action: AnyAction, context: Context, params: dict[str, Any]) -> _Ending:
        """The six outcomes begin here: whatever a handler does, it ends as one of them, or by being cancelled."""
        try:
            async with asyncio.timeout(limit_s) as limit:
                return self._ok(await _value(action, context, params))
        except Refused as refusal:
            # an earlier start may have done something before it was interrupted, which this one does not know of
            return _Ending("failed", error=str(refusal), refused=context.starts == 1)
        except _CannotTellError as error:
            return _Ending("unknown", error=str(error))
        except FleetfoldError as error:
            return _Ending("failed", error=error.message)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _Ending("failed", error="the handler cancelled itself")
        except Exception as error:  # an application's code may raise anything
            if isinstance(error, TimeoutError) and limit.expired():
                return _Ending("timed_out", error=f"it took longer than {limit_s:g} s; what it did by then is done")
            context.log.exception("the action raised")
            return _Ending("failed", error=_one_line(error))

    def _ok(self, value: Any) -> _Ending:
        try:
            plain = msgspec.to_builtins(value, str_keys=True)
            size = len(msgspec.json.encode(plain))
        except (TypeError, ValueError, RecursionError) as reason:
            return _Ending("failed", error=f"its result cannot be said in JSON: {reason}")
        if size > self._max_result_bytes:
            return _Ending(
                "failed", error=f"its result is {size} bytes of JSON; at most {self._max_result_bytes} can travel"
            )
        return _Ending("ok", plain)


async def _value(action: AnyAction, context: Context, params: dict[str, Any]) -> Any:
    """What the handler returns; after an interruption, what its check finds, if it does."""
    if context.starts > 1 and action.check is not None:
        happened = await _check(action, context, params)
        if happened is not None:
            return happened
    return await action.run(context, params)


async def _check(action: AnyAction, context: Context, params: dict[str, Any]) -> Any:
    try:
        return await action.happened(context, params)
    except Exception as error:  # an application's code may raise anything
        if action.info.kind == "once":
            raise _CannotTellError(f"it was interrupted, and its check failed: {_one_line(error)}") from error
        context.log.warning("the check failed, so the action runs again", error=_one_line(error))
        return None


def _result(
    command: Command, admission: Admission, ending: _Ending, began: float, *, noted: bool = False
) -> CommandResult:
    return CommandResult(
        id=command.id,
        attempt=command.attempt,
        epoch=command.epoch,
        outcome=ending.outcome,
        result=ending.result,
        error=_cut(ending.error),
        starts=admission.starts,
        ms=round((time.perf_counter() - began) * 1000, 3),
        noted=noted,
    )


def _cut(error: str | None) -> str | None:
    """An error is for reading: one that would not fit into a message would never arrive."""
    if error is None or len(error) <= MOST_ERROR_CHARS:
        return error
    return error[:MOST_ERROR_CHARS] + " …"


def _one_line(error: BaseException) -> str:
    """Its class and what it says: the trace goes to the log, not to the caller."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
