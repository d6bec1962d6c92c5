"""Executor of commands: admits them by the ledger, runs them within the concurrency limit, and ends each once."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions, AnyAction
from fleetfold_child.commands.attempt_runner import Runner
from fleetfold_child.commands.command_run import CommandRun, ScheduledRetry
from fleetfold_child.commands.context import Documents
from fleetfold_child.commands.exclusive_semaphore import ExclusiveSemaphore
from fleetfold_child.commands.name_confirmation import ConfirmName
from fleetfold_child.commands.progress_reports import ProgressPublisher, ProgressReporter
from fleetfold_child.disk_errors import disk_error
from fleetfold_child.ledger.admission import Decision, Plan
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.backoff import Random
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import CancelVerdict, Command, CommandResult

__all__ = ["CancellationResults", "ExecutionLimits", "Executor"]


@dataclass(frozen=True, slots=True)
class ExecutionLimits:
    """Limits of a node: so many commands run at once; a result over `max_result_bytes` of JSON is not sent; a command
    during which the process died `max_lone_crashes` times while nothing else was running is `unknown`.
    """

    concurrency: int = 16
    max_result_bytes: int = 256 * 1024
    max_lone_crashes: int = 5


class CancellationResults(NamedTuple):
    """Verdicts on cancelled commands, and the results of those that ended by it or before."""

    verdicts: dict[str, CancelVerdict]
    results: list[CommandResult]


class Executor:
    """The node's commands.

    `collections` are those of `ctx.collection`. `reports` sends progress; `randomly` is the source of jitter for
    retries. `confirm_name` is awaited before each try begins: it raises where the command is another process's now.
    """

    def __init__(
        self,
        actions: Actions,
        ledger: Ledger,
        *,
        node: str,
        collections: Mapping[str, Documents] | None = None,
        limits: ExecutionLimits | None = None,
        reports: ProgressPublisher | None = None,
        randomly: Random = random.random,
        databases: Databases | None = None,
        confirm_name: ConfirmName | None = None,
    ) -> None:
        self._node = node
        self._actions = actions
        self._ledger = ledger
        self._limits = limits = limits or ExecutionLimits()
        self._runner = Runner(node, ledger, collections or {}, limits.max_result_bytes, randomly, databases)
        self._databases = databases or None
        self._semaphore = ExclusiveSemaphore(limits.concurrency)
        self._reports = reports
        self._confirm_name = confirm_name
        self._running: dict[str, CommandRun] = {}

    @property
    def in_flight(self) -> int:
        """Number of commands that have arrived and not ended."""
        return len(self._running)

    async def handle(self, command: Command, *, age_s: float = 0.0) -> CommandResult | None:
        """Execute the command once; return its result to publish, or `None` when there is none.

        `age_s` is the time it waited in the broker. A duplicate of a running command waits for the same result. Raises
        `Unavailable` when the ledger cannot be written: the command has then not finished, and must be delivered again.
        """
        if (running := self._running.get(command.id)) is not None:
            result = await asyncio.shield(running.ended)
            return result and msgspec.structs.replace(result, attempt=command.attempt, epoch=command.epoch)
        sent_at = asyncio.get_running_loop().time() - age_s
        run = self._running[command.id] = CommandRun(command, sent_at, ProgressReporter(command.id, self._reports))
        result = None
        try:
            said = await self._try(run, self._actions.get(command.action))
            result = await self._retry(run, said) if isinstance(said, ScheduledRetry) else said
            if run.reporter.latest is not None:
                await run.reporter.close()
        except sqlite3.Error as error:
            raise self._broken(error) from error
        finally:
            del self._running[command.id]
            run.reporter.ended = True
            run.ended.set_result(result)
        return result

    async def cancel(self, ids: Collection[str], by: str) -> CancellationResults:
        """Stop these commands, on behalf of `by`: running ones are told at once, those not started never will be.

        On return this is in the ledger, so they are not started after a crash either. A compensation is not cancelled,
        and has no verdict. Raises `Unavailable` when the ledger cannot be written.
        """
        runs = {each: self._running[each] for each in ids if each in self._running}
        asked = {each for each in ids if each not in runs or runs[each].command.compensates is None}
        for each in runs.keys() & asked:
            runs[each].cancel(by)
        here = {each for each, run in runs.items() if run.begun}
        try:
            decided = await self._ledger.cancel(asked, by, here, external=bool(self._databases))
        except sqlite3.Error as error:
            raise self._broken(error) from error
        for each, run in self._running.items():
            if each in decided and run.command.compensates is None:
                run.cancel(by, decided=True)
        return CancellationResults(
            {each: said.verdict for each, said in decided.items() if said.verdict is not None},
            [said.result for each, said in decided.items() if said.result is not None and each not in self._running],
        )

    def _broken(self, error: sqlite3.Error) -> Unavailable:
        of_disk = disk_error(error, self._ledger.path)
        why = of_disk.message if of_disk is not None else f"{self._ledger.path}: {error}; look at its disk"
        return Unavailable(f"{self._node}: its ledger cannot be written: {why}")

    async def _retry(self, run: CommandRun, said: ScheduledRetry) -> CommandResult | None:
        """Retry the command until it has ended; the semaphore is released between tries."""
        action = self._actions.get(run.command.action)
        while True:
            run.last = said
            await run.pause(said.pause_s)
            if run.over is not None:
                return await self._give_up(run, said)
            outcome = await self._try(run, action)
            if not isinstance(outcome, ScheduledRetry):
                return outcome
            said = outcome

    async def _try(self, run: CommandRun, action: AnyAction | None) -> CommandResult | ScheduledRetry | None:
        command, asked = run.command, False
        while True:
            run.permit = self._semaphore.enter(alone=self._ledger.is_suspect(command.id))
            async with run.permit as inside:
                if not inside and run.last is not None:
                    return await self._give_up(run, run.last)
                admission = await self._ledger.admit(command, self._plan(run, action, asked=asked))
                if command.compensates is not None and admission.decision is not Decision.FENCED:
                    self._register_compensation(command.compensates)
                if admission.decision is Decision.RUN and action is not None:
                    if self._confirm_name is not None:
                        await self._confirm_name()
                    run.begun = True
                    return await self._runner.run(action, command, admission, run)
            if admission.awaited is not None:
                await self._wait_for_end(admission.awaited)
            elif admission.forward is not None:
                await self.handle(admission.forward)
            elif admission.decision is Decision.ASK:
                await self._ask_the_application(command)
                asked = True
            else:
                return admission.result

    async def _give_up(self, run: CommandRun, last: ScheduledRetry) -> CommandResult | None:
        """End the command with the result of its last try, unless its compensation has sealed it."""
        why = f"{last.result.error}; {run.over}"
        await self._ledger.finish(msgspec.structs.replace(last.result, error=why))
        return await self._ledger.result_of(run.command.id)

    def _register_compensation(self, command_id: str) -> None:
        if (running := self._running.get(command_id)) is not None:
            running.register_compensation()

    async def _ask_the_application(self, command: Command) -> None:
        """Ask the application's database whether the command to compensate was committed; if not, it never will be."""
        assert command.compensates is not None
        assert self._databases is not None
        name = await self._ledger.action_of(command.compensates)
        if (answer := await self._databases.seal(command.compensates, name)) is not None:
            await self._ledger.record_external_result(answer)

    async def _wait_for_end(self, command_id: str) -> None:
        if (running := self._running.get(command_id)) is not None:
            await asyncio.shield(running.ended)
        else:  # it has just ended, or was interrupted
            self._ledger.abandon(command_id)

    def _plan(self, run: CommandRun, action: AnyAction | None, *, asked: bool) -> Plan:
        command, age_s = run.command, asyncio.get_running_loop().time() - run.sent_at
        limit_s, overall_s = command.start_within_s, command.overall_s
        late, over = limit_s is not None and age_s > limit_s, overall_s is not None and age_s > overall_s
        return Plan(
            kind=action.info.kind if action else "idempotent",
            checked=action is not None and action.check is not None,
            rejected=self._reject(run, action),
            expired=f"not started within {limit_s:g} s: it came after {age_s:.1f} s" if late else None,
            max_lone_crashes=self._limits.max_lone_crashes,
            over=f"not done {overall_s:g} s after it was sent, and not begun any more" if over else None,
            clean=run.last is not None and run.last.clean,
            asks_application=self._databases is not None and not asked,
            kind_known=action is not None,
        )

    def _reject(self, run: CommandRun, action: AnyAction | None) -> str | None:
        command = run.command
        if action is None:
            known = ", ".join(info.name for info in self._actions.infos()) or "none"
            return f"{command.action}: {self._node} has no such action; it has {known}"
        if command.compensates is not None:  # its placeholders are not filled yet
            return None
        if action.info.kind == "once" and command.retry is not None and command.retry.attempts > 1:
            return f"retry: {command.action} is a 'once' action, which is never tried again; call it without retry"
        try:
            run.params = action.parameters.decode(command.params)
        except InvalidInput as error:
            return error.message
        return None
