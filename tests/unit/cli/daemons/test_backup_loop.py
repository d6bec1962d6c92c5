"""Scheduled backups: when they are made, and what is kept of how they went."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from fleetfold.backup import BackupManifest, RemovedBackups
from fleetfold_cli.daemons.backup_findings import in_backups
from fleetfold_cli.daemons.backup_loop import BackupTask
from fleetfold_cli.daemons.backup_schedule import LAST_BACKUP, LastBackup, read_last_backup, recurrence
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import BackupConfig
from fleetfold_shared.errors import InvalidInput, Unavailable
from support.wait import eventually

HOURLY = BackupConfig(target="/backup", every_s=3600)
MADE = BackupManifest(id="b1", host="h", began_at=1.0, ended_at=2.0, parts=["master"], stores=[], files=[])


class Backups:
    """Backups that are only counted; `error` is raised instead."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.wait: Callable[[], object] = lambda: None

    def make(self) -> tuple[BackupManifest, RemovedBackups]:
        self.count += 1
        self.wait()
        if self.error is not None:
            raise self.error
        return MADE, RemovedBackups()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000.0)


async def run(folder: Path, backups: Backups, clock: ManualClock, steps: Callable[[], object]) -> None:
    """Run the task, and `steps`, which may be a coroutine function."""
    due = recurrence(HOURLY)
    assert due is not None
    task = asyncio.create_task(BackupTask(due, folder, backups.make, clock).run())
    try:
        await steps()  # type: ignore[misc]  # always one
    finally:
        task.cancel()


async def test_a_backup_is_made_when_it_is_due_and_its_result_is_kept(tmp_path: Path, clock: ManualClock) -> None:
    backups = Backups()

    async def steps() -> None:
        await eventually(lambda: clock.sleepers == 1)
        assert backups.count == 0
        clock.advance(3600)
        await eventually(lambda: read_last_backup(tmp_path) is not None)
        assert read_last_backup(tmp_path) == LastBackup(clock.wall(), "b1", "", clock.wall())

    await run(tmp_path, backups, clock, steps)


async def test_one_that_was_missed_is_made_up_for_at_the_start(tmp_path: Path, clock: ManualClock) -> None:
    backups = Backups()
    (tmp_path / LAST_BACKUP).write_text('{"at": 900000.0, "id": "b0"}')

    async def steps() -> None:
        await eventually(lambda: clock.sleepers == 1)
        clock.advance(0)
        await eventually(lambda: backups.count == 1)

    await run(tmp_path, backups, clock, steps)


async def test_one_that_failed_is_logged_kept_and_tried_again_after_ten_minutes(
    tmp_path: Path, clock: ManualClock
) -> None:
    backups = Backups()
    backups.error = Unavailable("target: the disk is full")

    async def steps() -> None:
        await eventually(lambda: clock.sleepers == 1)
        clock.advance(3600)
        await eventually(lambda: read_last_backup(tmp_path) is not None and clock.sleepers == 1)
        last = read_last_backup(tmp_path)
        assert last is not None
        assert (last.error, last.succeeded_at) == ("target: the disk is full", None)
        backups.error = None
        clock.advance(600)
        await eventually(lambda: backups.count == 2)

    with structlog.testing.capture_logs() as logs:
        await run(tmp_path, backups, clock, steps)
    assert next(line["event"] for line in logs) == "backup.failed"


async def test_a_backup_under_way_does_not_keep_the_daemon_from_ending(tmp_path: Path, clock: ManualClock) -> None:
    backups, going_on = Backups(), threading.Event()
    backups.wait = going_on.wait

    async def steps() -> None:
        await eventually(lambda: clock.sleepers == 1)
        clock.advance(3600)
        await eventually(lambda: backups.count == 1)

    await run(tmp_path, backups, clock, steps)
    [thread] = [one for one in threading.enumerate() if one.name == "backup"]
    assert thread.daemon
    going_on.set()


def test_settings_that_do_not_fit_together_are_refused() -> None:
    assert recurrence(BackupConfig(target="/backup")) is None
    with pytest.raises(InvalidInput, match=r"backup\.target"):
        recurrence(BackupConfig(every_s=60))
    with pytest.raises(InvalidInput, match="one of them"):
        recurrence(BackupConfig(target="/backup", every_s=60, cron="30 3 * * *"))
    with pytest.raises(InvalidInput, match="timezone"):
        recurrence(BackupConfig(target="/backup", cron="30 3 * * *", timezone="Mars/Base"))


def test_the_audit_finds_a_backup_that_failed_or_is_overdue(tmp_path: Path) -> None:
    def found(text: str) -> list[str]:
        (tmp_path / LAST_BACKUP).write_text(text)
        return [finding.what for finding in in_backups(HOURLY, [tmp_path, tmp_path / "none"], 1_000_000.0)]

    assert found('{"at": 999000.0, "id": "b1"}') == []
    assert found('{"at": 999000.0, "error": "no room"}') == ["its last backup failed: no room"]
    assert found('{"at": 900000.0, "id": "b1"}') == ["its last backup is 27.8 hours old, and overdue"]
    [finding] = in_backups(BackupConfig(every_s=60), [], 0.0)
    assert (finding.severity, finding.where) == ("weak", "backup.target")
