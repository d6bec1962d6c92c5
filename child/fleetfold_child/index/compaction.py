"""Compaction of a table: soon after `_ROWS` new rows, and within a minute of any.

It runs once more after the last write, when the versions that the previous run had to keep have expired.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from fleetfold_child.index.lance_table import KEEP_VERSIONS, Table
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import cancel_all
from fleetfold_shared.errors import FleetfoldError

__all__ = ["Compaction"]

_ROWS = 200  # not yet indexed; full text takes 15 us more for each
_QUIET_S = 0.5  # without a write: an optimize rewrites the table, and a bulk load would pay for it again and again
_AT_LEAST_EACH_S = 60.0
_LAST_AFTER_S = KEEP_VERSIONS.total_seconds() + 1.0

_log = structlog.get_logger(__name__)


class Compaction:
    """A task that optimizes `table`; it costs nothing while there are no writes."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._rows = 0
        self._written_at = self._optimized_at = clock.monotonic()
        self._leftovers = False
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def wrote(self, rows: int) -> None:
        """Count written or removed rows."""
        self._rows += rows
        self._written_at = self._clock.monotonic()
        self._wake.set()

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _is_due(self) -> bool:
        now = self._clock.monotonic()
        quiet = now - self._written_at >= _QUIET_S
        return (self._rows >= _ROWS and quiet) or now - self._optimized_at >= _AT_LEAST_EACH_S

    async def _run(self) -> None:
        while True:
            if not await self._wait_for_work():
                await self._optimize()
                self._leftovers = False
                continue
            await self._clock.sleep(_QUIET_S)
            if self._is_due():
                self._leftovers = True
                await self._optimize()

    async def _wait_for_work(self) -> bool:
        """Wait for a write, or for the expiry of old versions; return whether it was a write."""
        if not self._leftovers:
            return await self._wake.wait()
        write, age = asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self._clock.sleep(_LAST_AFTER_S))
        try:
            await asyncio.wait({write, age}, return_when=asyncio.FIRST_COMPLETED)
            return write.done()
        finally:
            await cancel_all(write, age)

    async def _optimize(self) -> None:
        self._wake.clear()
        self._rows = 0
        try:
            await self._table.optimize()
        except FleetfoldError as error:
            _log.warning("table.optimize_failed", error=error.message)
            self._wake.set()
        self._optimized_at = self._clock.monotonic()
