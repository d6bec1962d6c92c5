"""Execution of one command in the node, from its arrival to its end: its state, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleetfold_child.commands.cancellation_rules import by_whom
from fleetfold_child.commands.exclusive_semaphore import Permit
from fleetfold_child.commands.progress_reports import ProgressReporter
from fleetfold_child.ledger.side_effect_log import SideEffectLog
from fleetfold_shared.concurrency import ends_within, resolve_if_open
from fleetfold_shared.messages import Command, CommandResult

__all__ = ["CommandRun", "ScheduledRetry"]


@dataclass(frozen=True, slots=True)
class ScheduledRetry:
    """A failed try, with another one to follow after `pause_s` seconds.

    `result` is the command's if none follows. `clean`: the try has left no effect.
    """

    pause_s: float
    result: CommandResult
    clean: bool


class CommandRun:
    """A command that has arrived and not ended.

    `sent_at` is the time of its storage in the broker, on the event loop's clock. `begun`: the ledger has admitted it
    in this process. `attempt` counts its tries from 1, `last` is the result of the previous one. `params` are decoded,
    for the first try. After `compensation_arrived` it is not tried again. `side_effects` is the side-effect log of its
    present try; `noted`: one of its tries has written to it.
    """

    __slots__ = (
        "_stop", "attempt", "begun", "cancelled_by", "command", "compensation_arrived", "ended", "last", "noted",
        "params", "permit", "reporter", "sent_at", "side_effects", "waiting",
    )  # fmt: skip

    def __init__(self, command: Command, sent_at: float, reporter: ProgressReporter) -> None:
        self.command, self.sent_at, self.reporter = command, sent_at, reporter
        self.ended: asyncio.Future[CommandResult | None] = asyncio.get_running_loop().create_future()
        self.attempt, self.begun, self.compensation_arrived, self.noted = 1, False, False, False
        self.side_effects: SideEffectLog | None = None
        self.last: ScheduledRetry | None = None
        self.cancelled_by: str | None = None
        self.params: dict[str, Any] | None = None
        self.permit: Permit | None = None
        self._stop: Callable[[], None] | None = None
        self.waiting: asyncio.Future[None] | None = None

    @property
    def overall_until(self) -> float:
        """End of the time for all tries, on the event loop's clock."""
        return float("inf") if self.command.overall_s is None else self.sent_at + self.command.overall_s

    @property
    def over(self) -> str | None:
        """Reason for which it is not tried again, if any."""
        if self.cancelled_by is not None:
            return f"{by_whom(self.cancelled_by)} before it was tried again"
        return "its compensation came before it was tried again" if self.compensation_arrived else None

    def cancel(self, by: str, *, decided: bool = False) -> None:
        """Stop the command, on behalf of `by`. One that waits for the semaphore keeps waiting until the ledger has
        `decided`.
        """
        if self.cancelled_by is None:
            self.cancelled_by = by
        if self._stop is not None:
            self._stop()
        elif self.waiting is not None or decided:
            self._stop_waiting()

    def can_stop(self, stop: Callable[[], None]) -> None:
        """Register how the running handler is cancelled."""
        self._stop = stop

    def cannot_stop(self) -> None:
        """Forget it: no handler is running, or it has been told."""
        self._stop = None

    def register_compensation(self) -> None:
        """Register its compensation, which waits for it: a running try ends, and no other one follows."""
        self.compensation_arrived = True
        if self.last is not None:
            self._stop_waiting()

    async def pause(self, seconds: float) -> None:
        """Wait for the next try, until it is called off."""
        if self.over is not None:
            return
        self.waiting = asyncio.get_running_loop().create_future()
        try:
            if not await ends_within(seconds, self.waiting):
                self.attempt += 1
        finally:
            self.waiting = None

    def _stop_waiting(self) -> None:
        if self.waiting is None:
            if self.permit is not None:
                self.permit.give_up()
        else:
            resolve_if_open(self.waiting, None)
