"""Takes commands in: admitted by the ledger, run when there is room, each ended once."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions, AnyAction
from fleetfold_child.commands.command_run import Again, CommandRun
from fleetfold_child.commands.context import Documents
from fleetfold_child.commands.exclusive_semaphore import ExclusiveSemaphore
from fleetfold_child.commands.progress_reports import Reporter, Reports
from fleetfold_child.commands.retry_policy import Random
from fleetfold_child.commands.runner import Runner
from fleetfold_child.disk_errors import disk_error
from fleetfold_child.ledger.admission import Decision, Plan
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import CancelVerdict, Command, CommandResult

__all__ = ["Executor", "Stopped"]


class Stopped(NamedTuple):
    """What was said of commands that somebody cancels, and the results of those that ended by it or before."""

    verdicts: dict[str, CancelVerdict]
    results: list[CommandResult]


class Executor:
    """The node's commands, at most `concurrency` of them at once.

    `collections` are those that `ctx.collection` gives out. A result over `max_result_bytes` of JSON is not carried.
    A command during which the process died `max_lone_crashes` times while nothing else was running is `unknown`.
    `reports` tells how far commands have come; `randomly` shortens the waits between their tries.
    """

    def __init__(
        self,
        actions: Actions,
        ledger: Ledger,
        *,
        node: str,
        collections: Mapping[str, Documents] | None = None,
        concurrency: int = 16,
        max_result_bytes: int = 256 * 1024,
        max_lone_crashes: int = 5,
        reports: Reports | None = None,
        randomly: Random = random.random,
        databases: Databases | None = None,
    ) -> None:
        self._node = node
        self._actions = actions
        self._ledger = ledger
        self._runner = Runner(node, ledger, collections or {}, max_result_bytes, randomly, databases)
        self._databases = databases or None
        ledger.elsewhere = bool(databases)
        self._gate = ExclusiveSemaphore(concurrency)
        self._max_lone_crashes = max_lone_crashes
        self._reports = reports
        self._running: dict[str, CommandRun] = {}

    @property
    def in_flight(self) -> int:
        """Commands that have arrived and have not ended."""
        return len(self._running)

    async def handle(self, command: Command, *, age_s: float = 0.0) -> CommandResult | None:
        """Do what the command asks, once; its result to publish, or None when there is nothing to say.

        `age_s` is how long the broker has held it. A duplicate of a running command waits for the same end. Raises
        `Unavailable` when the ledger cannot be written: the command is then not finished, and wants to be delivered
        again.
        """
        if (running := self._running.get(command.id)) is not None:
            result = await asyncio.shield(running.ended)
            return result and msgspec.structs.replace(result, attempt=command.attempt, epoch=command.epoch)
        sent_at = asyncio.get_running_loop().time() - age_s
        course = self._running[command.id] = CommandRun(command, sent_at, Reporter(command.id, self._reports))
        result = None
        try:
            said = await self._try(course, self._actions.get(command.action))
            result = await self._try_on(course, said) if isinstance(said, Again) else said
            if course.reporter.latest is not None:
                await course.reporter.close()
        except sqlite3.Error as error:
            raise self._broken(error) from error
        finally:
            del self._running[command.id]
            course.reporter.ended = True
            course.ended.set_result(result)
        return result

    async def cancel(self, ids: Collection[str], by: str) -> Stopped:
        """Stop these commands, for `by`: those that run are told so at once, those not begun never will be.

        When this returns it is in the ledger: they are not begun again after a death either. A compensation is not
        cancelled, and has no verdict. Raises `Unavailable` when the ledger cannot be written.
        """
        courses = {each: self._running[each] for each in ids if each in self._running}
        asked = {each for each in ids if each not in courses or courses[each].command.compensates is None}
        for each in courses.keys() & asked:
            courses[each].cancel(by)
        here = {each for each, course in courses.items() if course.begun}
        try:
            decided = await self._ledger.cancel(asked, by, here)
        except sqlite3.Error as error:
            raise self._broken(error) from error
        for each, course in self._running.items():
            if each in decided and course.command.compensates is None:
                course.cancel(by, decided=True)
        return Stopped(
            {each: said.verdict for each, said in decided.items() if said.verdict is not None},
            [said.result for each, said in decided.items() if said.result is not None and each not in self._running],
        )

    def _broken(self, error: sqlite3.Error) -> Unavailable:
        of_disk = disk_error(error, self._ledger.path)
        why = of_disk.message if of_disk is not None else f"{self._ledger.path}: {error}; look at its disk"
        return Unavailable(f"{self._node}: its ledger cannot be written: {why}")

    async def _try_on(self, course: CommandRun, said: Again) -> CommandResult | None:
        """Try it until it has ended. The gate is left while it waits for another try."""
        action = self._actions.get(course.command.action)
        while True:
            course.last = said
            await course.pause(said.pause_s)
            if course.over is not None:
                return await self._give_up(course, said)
            outcome = await self._try(course, action)
            if not isinstance(outcome, Again):
                return outcome
            said = outcome

    async def _try(self, course: CommandRun, action: AnyAction | None) -> CommandResult | Again | None:
        command, asked = course.command, False
        while True:
            course.passage = self._gate.enter(alone=self._ledger.is_suspect(command.id))
            async with course.passage as inside:
                if not inside and course.last is not None:
                    return await self._give_up(course, course.last)
                admission = await self._ledger.admit(command, self._plan(course, action, asked=asked))
                if command.compensates is not None and admission.decision is not Decision.FENCED:
                    self._undo(command.compensates)
                if admission.decision is Decision.RUN and action is not None:
                    course.begun = True
                    return await self._runner.run(action, command, admission, course)
            if admission.awaited is not None:
                await self._end_of(admission.awaited)
            elif admission.forward is not None:
                await self.handle(admission.forward)
            elif admission.decision is Decision.ASK:
                await self._ask_the_application(command)
                asked = True
            else:
                return admission.result

    async def _give_up(self, course: CommandRun, last: Again) -> CommandResult | None:
        """It is not tried again: as the last try ended, so does the command, unless its undoing has sealed it."""
        why = f"{last.result.error}; {course.over}"
        await self._ledger.finish(msgspec.structs.replace(last.result, error=why))
        return await self._ledger.result_of(course.command.id)

    def _undo(self, command_id: str) -> None:
        if (running := self._running.get(command_id)) is not None:
            running.undo()

    async def _ask_the_application(self, command: Command) -> None:
        """Whether what is to be undone was committed in its database; from then on it never will be, if it was not."""
        assert command.compensates is not None
        assert self._databases is not None
        name = await self._ledger.action_of(command.compensates)
        if (answer := await self._databases.seal(command.compensates, name)) is not None:
            await self._ledger.learn(answer)

    async def _end_of(self, command_id: str) -> None:
        if (running := self._running.get(command_id)) is not None:
            await asyncio.shield(running.ended)
        else:  # it has just ended, or was interrupted: what nobody runs is not running
            self._ledger.abandon(command_id)

    def _plan(self, course: CommandRun, action: AnyAction | None, *, asked: bool) -> Plan:
        command, age_s = course.command, asyncio.get_running_loop().time() - course.sent_at
        limit_s, overall_s = command.start_within_s, command.overall_s
        late, over = limit_s is not None and age_s > limit_s, overall_s is not None and age_s > overall_s
        return Plan(
            kind=action.info.kind if action else "idempotent",
            checked=action is not None and action.check is not None,
            rejected=self._reject(course, action),
            expired=f"not started within {limit_s:g} s: it came after {age_s:.1f} s" if late else None,
            max_lone_crashes=self._max_lone_crashes,
            over=f"not done {overall_s:g} s after it was sent, and not begun any more" if over else None,
            clean=course.last is not None and course.last.clean,
            asks_application=self._databases is not None and not asked,
            kind_known=action is not None,
        )

    def _reject(self, course: CommandRun, action: AnyAction | None) -> str | None:
        command = course.command
        if action is None:
            known = ", ".join(info.name for info in self._actions.infos()) or "none"
            return f"{command.action}: {self._node} has no such action; it has {known}"
        if command.compensates is not None:  # its placeholders are not filled yet
            return None
        if action.info.kind == "once" and command.retry is not None and command.retry.attempts > 1:
            return f"retry: {command.action} is a 'once' action, which is never tried again; call it without retry"
        try:
            course.params = action.parameters.decode(command.params)
        except InvalidInput as error:
            return error.message
        return None
