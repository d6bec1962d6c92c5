"""One command on its way through the node, from its arrival to its end: where it stands, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleetfold_child.commands.cancellation import by_whom
from fleetfold_child.commands.exclusive_semaphore import Passage
from fleetfold_child.commands.progress_reports import Reporter
from fleetfold_child.ledger.side_effect_log import SideEffectLog
from fleetfold_shared.messages import Command, CommandResult

__all__ = ["Again", "CommandRun"]


@dataclass(frozen=True, slots=True)
class Again:
    """A try has failed, and another one follows after `pause_s`.

    `result` is the command's if none does. `clean`: the try has left nothing behind.
    """

    pause_s: float
    result: CommandResult
    clean: bool


class CommandRun:
    """A command that has arrived and not ended. `sent_at` is when the broker stored it, on the loop's clock.

    `begun`: the ledger has admitted it, here. `attempt` counts its tries from 1, `last` is how the last one ended.
    `params` are its decoded ones, for the first try. `stop` is what stops its handler. `undone`: its undoing is here,
    so it is not tried again. `notebook` is that of its present try; `noted`: one of its tries has used it.
    """

    __slots__ = (
        "attempt", "begun", "cancelled_by", "command", "ended", "last", "notebook", "noted", "params", "passage",
        "reporter", "sent_at", "stop", "undone", "waiting",
    )  # fmt: skip

    def __init__(self, command: Command, sent_at: float, reporter: Reporter) -> None:
        self.command, self.sent_at, self.reporter = command, sent_at, reporter
        self.ended: asyncio.Future[CommandResult | None] = asyncio.get_running_loop().create_future()
        self.attempt, self.begun, self.undone, self.noted = 1, False, False, False
        self.notebook: SideEffectLog | None = None
        self.last: Again | None = None
        self.cancelled_by: str | None = None
        self.params: dict[str, Any] | None = None
        self.passage: Passage | None = None
        self.stop: Callable[[], None] | None = None
        self.waiting: asyncio.Future[None] | None = None

    @property
    def overall_until(self) -> float:
        """When the time for all tries is over, on the loop's clock."""
        return float("inf") if self.command.overall_s is None else self.sent_at + self.command.overall_s

    @property
    def over(self) -> str | None:
        """Why it is not tried again, if so."""
        if self.cancelled_by is not None:
            return f"{by_whom(self.cancelled_by)} before it was tried again"
        return "it was to be undone before it was tried again" if self.undone else None

    def cancel(self, by: str, *, decided: bool = False) -> None:
        """Stop it, for `by`. One that waits at the gate goes on waiting until the ledger has `decided`."""
        if self.cancelled_by is None:
            self.cancelled_by = by
        if self.stop is not None:
            self.stop()
        elif self.waiting is not None or decided:
            self._wait_no_longer()

    def undo(self) -> None:
        """Its undoing waits for it: a try that runs goes on to its end, and no other one follows."""
        self.undone = True
        if self.last is not None:
            self._wait_no_longer()

    async def pause(self, seconds: float) -> None:
        """Wait for another try; no longer than until it is over."""
        if self.over is not None:
            return
        self.waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self.waiting
        except TimeoutError:
            self.attempt += 1
        finally:
            self.waiting = None

    def _wait_no_longer(self) -> None:
        if self.waiting is None:
            if self.passage is not None:
                self.passage.give_up()
        elif not self.waiting.done():
            self.waiting.set_result(None)
