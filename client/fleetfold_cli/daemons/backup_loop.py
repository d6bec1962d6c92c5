"""The task that makes a daemon's scheduled backups, and keeps how the last one went beside the data."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from fleetfold.backup import (
    BackupManifest,
    BackupPlaces,
    BackupRetention,
    RemovedBackups,
    apply_retention,
    chosen_parts,
    create_backup,
    find_passphrase,
    open_target,
)
from fleetfold_broker.secret_file import replace
from fleetfold_cli.daemons.backup_schedule import LAST_BACKUP, LastBackup, read_last_backup, recurrence
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.config import BackupConfig
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.recurrence import Recurrence

__all__ = ["BackupTask", "backing_up"]

log = structlog.get_logger(__name__)

_AGAIN_S = 600.0
"""Seconds after which a backup that failed is tried again, if none is planned earlier."""

_WAIT_S = 600.0
"""Seconds that a backup waits for others to the same directory: daemons of a machine have the same plan."""

T = TypeVar("T")
MakeBackup = Callable[[], tuple[BackupManifest, RemovedBackups]]


class BackupTask:
    """Makes backups when they are due, one at a time. One that was missed is made up for at the start."""

    def __init__(self, due: Recurrence, folder: Path, make: MakeBackup, clock: Clock) -> None:
        self._due, self._folder, self._make, self._clock = due, folder, make, clock
        self._last = read_last_backup(folder)

    async def run(self) -> None:
        """Make backups for ever."""
        while True:
            await self._clock.sleep(max(0.0, self._next_at() - self._clock.wall()))
            await self._back_up()

    def _next_at(self) -> float:
        last = self._last
        planned = self._due.next(self._clock.wall() if last is None else last.at)
        at = float("inf") if planned is None else float(planned)
        return min(at, last.at + _AGAIN_S) if last is not None and last.error else at

    async def _back_up(self) -> None:
        try:
            made, removed = await _in_daemon_thread(self._make)
        except (FleetfoldError, OSError) as error:
            log.error("backup.failed", reason=str(error))  # noqa: TRY400 (what a user can cause has no traceback)
            await self._keep(error=str(error), succeeded_at=self._last.succeeded_at if self._last else None)
            return
        log.info(
            "backup.made", id=made.id, parts=made.parts, bytes=made.bytes, new_bytes=made.new_bytes,
            left_out=made.left_out, removed=removed.ids,
        )  # fmt: skip
        await self._keep(id=made.id, succeeded_at=self._clock.wall())

    async def _keep(self, *, id: str = "", error: str = "", succeeded_at: float | None) -> None:
        self._last = LastBackup(self._clock.wall(), id, error, succeeded_at)
        try:
            await asyncio.to_thread(replace, self._folder / LAST_BACKUP, msgspec.json.encode(self._last))
        except OSError as full:
            log.warning("backup.result_not_stored", reason=full.strerror)


async def _in_daemon_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread that does not keep the process from ending, as those of asyncio do; a backup that is cut
    off so stays incomplete."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(outcome: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(lambda: None if done.done() else outcome())

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 (raised where it is awaited)
            failure = error
            settle(lambda: done.set_exception(failure))
        else:
            settle(lambda: done.set_result(result))

    threading.Thread(target=run, name="backup", daemon=True).start()
    return await done


@asynccontextmanager
async def backing_up(
    config: BackupConfig, places: BackupPlaces, folder: Path, *, master: bool = False, nodes: Sequence[str] = ()
) -> AsyncIterator[None]:
    """Make backups of the master, the nodes, or all that is here while the block runs, if they are scheduled.

    `folder` is the data folder of the daemon.
    """
    due = recurrence(config)
    if due is None:
        yield
        return
    find_passphrase(_file(config), os.environ)  # a wrong setting is reported at the start

    def make() -> tuple[BackupManifest, RemovedBackups]:
        target, rule = open_target(config.target or "", _WAIT_S), BackupRetention(config.keep, config.keep_days)
        parts = chosen_parts(places, master=master, nodes=nodes)
        made = create_backup(target, places, parts, passphrase=find_passphrase(_file(config), os.environ))
        return made, RemovedBackups() if rule == BackupRetention() else apply_retention(target, rule)

    task = asyncio.create_task(BackupTask(due, folder, make, SystemClock()).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _file(config: BackupConfig) -> Path | None:
    return Path(config.passphrase_file) if config.passphrase_file else None
