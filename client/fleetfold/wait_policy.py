"""The wait policy for work that continues whether or not a client listens."""

from __future__ import annotations

import asyncio

from fleetfold.caller import pause_s
from fleetfold.time_limit import check_time_limit
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError

__all__ = ["WaitPolicy"]

LISTEN_S = 30.0
"""Seconds that one request listens; then the next begins."""


class WaitPolicy:
    """Listens for `timeout_s` in all, or without limit; absent masters are waited for, once one has answered.
    Raises `InvalidInput` for NaN."""

    def __init__(self, timeout_s: float | None) -> None:
        if timeout_s is not None:
            check_time_limit(timeout_s)
        self._timeout_s = timeout_s
        self._until = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        self._heard = False

    def wait_ms(self) -> int:
        """Milliseconds that the next request may listen."""
        left_s = LISTEN_S if self._until is None else self._until - asyncio.get_running_loop().time()
        return round(max(0.0, min(left_s, LISTEN_S)) * 1000)

    def note_answer(self) -> None:
        """Record that a master has answered."""
        self._heard = True

    async def wait_or_raise(self, error: FleetfoldError, key: str) -> None:
        """Sleep before the next attempt. Re-raises `error` if no master has answered yet."""
        if not self._heard:
            raise error
        self.check(key)
        await asyncio.sleep(pause_s(error))

    def check(self, key: str) -> None:
        """Raise `DeadlineExceeded` if the time is over."""
        if self._until is not None and asyncio.get_running_loop().time() >= self._until:
            raise DeadlineExceeded(f"{key} has not ended within {self._timeout_s:g} s; it goes on")
