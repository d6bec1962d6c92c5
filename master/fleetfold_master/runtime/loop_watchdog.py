"""The loop watchdog: a thread that takes a master off the bus while its event loop hangs.

A master whose loop does not turn (a call that blocks, a swapped machine) keeps its share of the queue groups, and what
it is given waits. Another master has its connections closed through the system account, but a broker without identities
has none. So a thread of its own closes the connections when the loop has not turned for `HANGS_S`; the loop connects
again when it turns. Only while there are other masters: one alone would only lose what it has received.

A process that is suspended as a whole (SIGSTOP) has no thread that runs: there only the other master helps.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import structlog

__all__ = ["HANGS_S", "LoopWatchdog"]

log = structlog.get_logger(__name__)

HANGS_S = 2.0
"""Seconds without a turn of the loop; with `LOOK_S`, a hanging master is off the bus within three."""
LOOK_S = 0.5


class LoopWatchdog:
    """Watches the loop that runs `run`. `others` tells whether there are other masters; `disconnect` is called in the
    thread, once for each time that the loop hangs."""

    def __init__(
        self, disconnect: Callable[[], None], others: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._disconnect, self._others, self._monotonic = disconnect, others, monotonic
        self._turned_at, self._is_off = monotonic(), False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop-watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; it ends by itself."""
        self._stopped.set()

    async def run(self) -> None:
        """Record the turns of the loop, until cancelled."""
        while True:
            self.turned()
            await asyncio.sleep(LOOK_S)

    def turned(self) -> None:
        """Record a turn of the loop."""
        self._turned_at, self._is_off = self._monotonic(), False

    def look(self) -> None:
        """Disconnect if the loop hangs. Called in the thread."""
        silent_s = self._monotonic() - self._turned_at
        if silent_s < HANGS_S or self._is_off or not self._others():
            return
        self._is_off = True
        log.warning("master.loop_hangs", seconds=round(silent_s, 1), meaning="it is taken off the bus until it turns")
        self._disconnect()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_S):
            self.look()
