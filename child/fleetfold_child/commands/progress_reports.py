"""Progress reports of commands to the masters: the latest of each, a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Progress, ProgressReport
from fleetfold_shared.values import check_text

__all__ = ["ProgressPublisher", "ProgressReporter"]

APART_S = 0.34
"""Seconds between two reports: three a second, and with the last one, sent at once, never more than four."""
MOST_NOTE_CHARS = 500

Say = Callable[[ProgressReport], Awaitable[None]]


class ProgressPublisher:
    """Publishes progress by `say`. No task runs without progress; what cannot be sent now is sent later."""

    def __init__(self, say: Say, clock: Clock | None = None) -> None:
        self._say, self._clock = say, clock or SystemClock()
        self._news: dict[str, ProgressReporter] = {}
        self._tasks = BackgroundTasks()
        self._stopped = self._sending = False

    def of(self, command_id: str) -> ProgressReporter:
        """Return a reporter for one command."""
        return ProgressReporter(command_id, self)

    async def stop(self) -> None:
        """Stop sending."""
        self._stopped = True
        await self._tasks.cancel()

    def heard(self, reporter: ProgressReporter) -> None:
        """Schedule a report of new progress."""
        self._news[reporter.command_id] = reporter
        if not self._sending and not self._stopped:
            self._sending = True
            self._tasks.spawn(self._send_all())

    async def send(self, reporter: ProgressReporter) -> None:
        """Send the latest progress, unless it was sent already. Raises `Unavailable` without a connection."""
        latest = reporter.latest
        if latest is not None and latest is not reporter.sent:
            await self._say(ProgressReport(id=reporter.command_id, progress=latest))
            reporter.sent = latest

    def forget(self, reporter: ProgressReporter) -> None:
        """Drop the reporter of a command that has ended."""
        self._news.pop(reporter.command_id, None)

    async def _send_all(self) -> None:
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
            self._sending = False  # in the same iteration of the loop as the last check


class ProgressReporter:
    """Progress of one command over all of its tries. `report` may be called in any thread.

    `heard_at` is the time of its last sign of life, by `time.monotonic`.
    """

    __slots__ = ("_loop", "_reports", "announced", "attempt", "command_id", "ended", "heard_at", "latest", "sent")

    def __init__(self, command_id: str, reports: ProgressPublisher | None) -> None:
        self.command_id, self._reports = command_id, reports
        self._loop = None if reports is None else asyncio.get_running_loop()
        self.attempt, self.heard_at = 1, time.monotonic()
        self.latest: Progress | None = None
        self.sent: Progress | None = None
        self.announced = self.ended = False

    def begin(self, attempt: int) -> None:
        """Start a try."""
        self.attempt, self.heard_at = attempt, time.monotonic()

    def report(self, done: float, total: float | None, note: str) -> None:
        """Record progress. Raises `ValueError` for anything but finite numbers."""
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
        """Schedule a report."""
        if self._reports is None or self._loop is None:
            return
        self.announced = True
        with contextlib.suppress(RuntimeError):  # a thread that outlives its node: the loop is closed
            self._loop.call_soon_threadsafe(self._on_announced)

    async def close(self) -> None:
        """Send the last progress, if it was not sent yet and the broker is reachable; then no more."""
        self.ended = True
        if self._reports is not None and self.latest is not None:
            self._reports.forget(self)
            with contextlib.suppress(Unavailable):  # the result follows, and says more
                await self._reports.send(self)

    def _on_announced(self) -> None:
        if self._reports is not None and not self.ended:
            self._reports.heard(self)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except (OverflowError, TypeError):
        return False
