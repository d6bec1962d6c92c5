"""Takes commands in: admitted by the ledger, run when there is room, each ended once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping

import msgspec

from fleetfold_child.actions import Actions, AnyAction
from fleetfold_child.admission import Decision, Plan
from fleetfold_child.context import Documents
from fleetfold_child.gate import Gate
from fleetfold_child.ledger import Ledger
from fleetfold_child.runner import Runner
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import Command, CommandResult

__all__ = ["Executor"]


class Executor:
    """The node's commands, at most `concurrency` of them at once.

    `collections` are those that `ctx.collection` gives out. A result over `max_result_bytes` of JSON is `failed`.
    A command during which the process died `max_lone_crashes` times while nothing else was running is `unknown`.
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
    ) -> None:
        self._node = node
        self._actions = actions
        self._ledger = ledger
        self._runner = Runner(node, ledger, collections or {}, max_result_bytes)
        self._gate = Gate(concurrency)
        self._max_lone_crashes = max_lone_crashes
        self._running: dict[str, asyncio.Future[CommandResult | None]] = {}

    @property
    def in_flight(self) -> int:
        """Commands that have arrived and have not ended."""
        return len(self._running)

    async def drain(self) -> None:
        """Wait until all that has arrived has ended."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def handle(self, command: Command, *, age_s: float = 0.0) -> CommandResult | None:
        """Do what the command asks, once; its result to publish, or None when there is nothing to say.

        `age_s` is how long the broker has held it. A duplicate of a running command waits for the same end. Raises
        `Unavailable` when the ledger cannot be written: the command is then not finished, and wants to be delivered
        again.
        """
        if (running := self._running.get(command.id)) is not None:
            result = await asyncio.shield(running)
            return result and msgspec.structs.replace(result, attempt=command.attempt, epoch=command.epoch)
        loop = asyncio.get_running_loop()
        ended = self._running[command.id] = loop.create_future()
        result = None
        try:
            result = await self._decide_and_run(command, loop.time() - age_s)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._node}: its ledger cannot be written ({error}); look at its disk") from error
        finally:
            del self._running[command.id]
            ended.set_result(result)
        return result

    async def _decide_and_run(self, command: Command, sent_at: float) -> CommandResult | None:
        action = self._actions.get(command.action)
        while True:
            async with self._gate.enter(alone=self._ledger.is_suspect(command.id)):
                admission = await self._ledger.admit(command, self._plan(command, action, sent_at))
                if admission.decision is Decision.RUN and action is not None:
                    return await self._runner.run(action, command, admission)
            if admission.awaited is not None:
                await self._end_of(admission.awaited)
            elif admission.forward is not None:
                await self.handle(admission.forward)
            else:
                return admission.result

    async def _end_of(self, command_id: str) -> None:
        if (running := self._running.get(command_id)) is not None:
            await asyncio.shield(running)
        else:  # it has just ended, or was interrupted: what nobody runs is not running
            self._ledger.abandon(command_id)

    def _plan(self, command: Command, action: AnyAction | None, sent_at: float) -> Plan:
        limit_s, age_s = command.start_within_s, asyncio.get_running_loop().time() - sent_at
        late = limit_s is not None and age_s > limit_s
        return Plan(
            kind=action.info.kind if action else "idempotent",
            checked=action is not None and action.check is not None,
            rejected=self._reject(command, action),
            expired=f"not started within {limit_s:g} s: it came after {age_s:.1f} s" if late else None,
            max_lone_crashes=self._max_lone_crashes,
            kind_known=action is not None,
        )

    def _reject(self, command: Command, action: AnyAction | None) -> str | None:
        if action is None:
            known = ", ".join(info.name for info in self._actions.infos()) or "none"
            return f"{command.action}: {self._node} has no such action; it has {known}"
        if command.compensates is not None:  # its placeholders are not filled yet
            return None
        try:
            action.parameters.decode(command.params)
        except InvalidInput as error:
            return error.message
        return None
