"""How far commands have come, told to the masters: the latest word of each, a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Progress, ProgressReport
from fleetfold_shared.values import check_text

__all__ = ["Reporter", "Reports"]

APART_S = 0.34
"""Three in a second, so that with the last one, which waits for nothing, it is never more than four."""
MOST_NOTE_CHARS = 500

Say = Callable[[ProgressReport], Awaitable[None]]


class Reports:
    """Sends what is reported by `say`. Nothing runs while nobody reports; what cannot be sent now is sent later."""

    def __init__(self, say: Say, clock: Clock | None = None) -> None:
        self._say, self._clock = say, clock or SystemClock()
        self._news: dict[str, Reporter] = {}
        self._tasks = BackgroundTasks()
        self._stopped = self._telling = False

    def of(self, command_id: str) -> Reporter:
        """The voice of one command."""
        return Reporter(command_id, self)

    async def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True
        await self._tasks.cancel()

    def heard(self, reporter: Reporter) -> None:
        """There is something new to tell."""
        self._news[reporter.command_id] = reporter
        if not self._telling and not self._stopped:
            self._telling = True
            self._tasks.spawn(self._tell())

    async def send(self, reporter: Reporter) -> None:
        """Send its latest word, unless that is sent already; `Unavailable` when the broker is away."""
        latest = reporter.latest
        if latest is not None and latest is not reporter.sent:
            await self._say(ProgressReport(id=reporter.command_id, progress=latest))
            reporter.sent = latest

    def forget(self, reporter: Reporter) -> None:
        """It has ended."""
        self._news.pop(reporter.command_id, None)

    async def _tell(self) -> None:
        try:
            while self._news:
                news, self._news = self._news, {}
                for reporter in news.values():
                    reporter.announced = False
                    try:
                        await self.send(reporter)
                    except Unavailable:
                        reporter.announce()
                await self._clock.sleep(APART_S)
        finally:
            self._telling = False  # in the same turn of the loop as the last look: what comes next begins anew


class Reporter:
    """One command's voice over all of its tries. `report` may be called in any thread.

    `heard_at` is when it was heard last, by `time.monotonic`.
    """

    __slots__ = ("_loop", "_reports", "announced", "attempt", "command_id", "ended", "heard_at", "latest", "sent")

    def __init__(self, command_id: str, reports: Reports | None) -> None:
        self.command_id, self._reports = command_id, reports
        self._loop = None if reports is None else asyncio.get_running_loop()
        self.attempt, self.heard_at = 1, time.monotonic()
        self.latest: Progress | None = None
        self.sent: Progress | None = None
        self.announced = self.ended = False

    def begin(self, attempt: int) -> None:
        """A try begins now."""
        self.attempt, self.heard_at = attempt, time.monotonic()

    def report(self, done: float, total: float | None, note: str) -> None:
        """So far it has come. `ValueError` for what is no number."""
        for name, value in (("done", done), ("total", total)):
            if value is not None and not _is_finite(value):
                shown = value if isinstance(value, float) else f"such a value of type {type(value).__name__}"
                raise ValueError(f"progress: {name} must be a number up to 1e308, not {shown}")
        check_text(note, "progress.note")
        self.heard_at = time.monotonic()
        self.latest = Progress(
            done=float(done), total=None if total is None else float(total), note=note[:MOST_NOTE_CHARS],
            at=time.time(), attempt=self.attempt,
        )  # fmt: skip
        if not self.announced and not self.ended:
            self.announce()

    def announce(self) -> None:
        """Have it sent soon."""
        if self._reports is None or self._loop is None:
            return
        self.announced = True
        with contextlib.suppress(RuntimeError):  # a thread that outlives its node: the loop is closed
            self._loop.call_soon_threadsafe(self._be_heard)

    async def close(self) -> None:
        """Send the last word, if it is not sent yet and the broker is there; then no more."""
        self.ended = True
        if self._reports is not None and self.latest is not None:
            self._reports.forget(self)
            with contextlib.suppress(Unavailable):  # the result is to come, and says more
                await self._reports.send(self)

    def _be_heard(self) -> None:
        if self._reports is not None and not self.ended:
            self._reports.heard(self)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except (OverflowError, TypeError):
        return False
