"""Time limits of one try: its own time, the time of all tries, the longest silence, or the grace after a
cancellation.
"""

from __future__ import annotations

import asyncio
import time

from fleetfold_child.commands.actions import AnyAction
from fleetfold_child.commands.command_run import CommandRun
from fleetfold_child.commands.context import Context
from fleetfold_shared.messages import Command

__all__ = ["TimeLimits"]


class TimeLimits:
    """The limits of one try; `until` is its latest end, on the event loop's clock.

    `begin` passes the timeout that enforces them, `end` stops them.
    """

    __slots__ = (
        "_context",
        "_grace",
        "_grace_s",
        "_heartbeat_s",
        "_pulse",
        "_run",
        "_silent",
        "_timeout",
        "_try_s",
        "until",
    )  # fmt: skip

    def __init__(self, action: AnyAction, command: Command, run: CommandRun) -> None:
        own_s = action.info.timeout_s
        self._try_s = min(own_s, command.timeout_s or own_s)
        self._heartbeat_s = command.heartbeat_s or action.info.heartbeat_s
        self._grace_s = action.cancel_grace_s
        self._run = run
        self._silent = False
        self._pulse: asyncio.TimerHandle | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._timeout: asyncio.Timeout | None = None
        self._context: Context | None = None
        self.until = min(asyncio.get_running_loop().time() + self._try_s, run.overall_until)

    def begin(self, timeout: asyncio.Timeout, context: Context) -> None:
        """Start to enforce the limits on a handler that runs under `timeout`."""
        self._timeout, self._context = timeout, context
        self._run.can_stop(self._cancel)
        if self._heartbeat_s is not None:
            self._check_silence()

    def end(self) -> None:
        """Stop the limits: the handler has ended."""
        self._timeout = None
        self._run.cannot_stop()
        for timer in (self._pulse, self._grace):
            if timer is not None:
                timer.cancel()

    @property
    def why(self) -> str:
        """Reason of the timeout, once it has expired."""
        if self._silent:
            return f"no progress for {self._heartbeat_s:g} s"
        if self._run.overall_until <= self.until:
            return f"it was not done {self._run.command.overall_s:g} s after it was sent"
        return f"it took longer than {self._try_s:g} s"

    def _cancel(self) -> None:
        """Tell the handler of its cancellation, and end it after its grace; only the first cancellation counts."""
        self._run.cannot_stop()
        assert self._context is not None
        self._context.cancel(self._run.cancelled_by)
        self._grace = asyncio.get_running_loop().call_later(self._grace_s, self._expire)

    def _check_silence(self) -> None:
        assert self._heartbeat_s is not None
        left_s = self._run.reporter.heard_at + self._heartbeat_s - time.monotonic()
        if left_s > 0:
            self._pulse = asyncio.get_running_loop().call_later(left_s, self._check_silence)
        elif self._timeout is not None and not self._timeout.expired():
            self._silent = True
            self._expire()

    def _expire(self) -> None:
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())
