"""What the configuration audit finds about scheduled backups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fleetfold_cli.daemons.backup_schedule import read_last_backup, recurrence
from fleetfold_cli.daemons.configuration_audit import Finding
from fleetfold_shared.config import BackupConfig
from fleetfold_shared.errors import InvalidInput

__all__ = ["in_backups"]

_MISSED = 2
"""Planned times that may pass without a backup before that is a finding: one may be under way."""


def in_backups(config: BackupConfig, folders: Iterable[Path], now: float) -> Iterator[Finding]:
    """Yield findings: settings that do not fit together, a backup that failed or did not happen.

    `folders` are the data folders of daemons on this machine.
    """
    try:
        due = recurrence(config)
    except InvalidInput as error:
        yield Finding("weak", error.field or "backup", error.message)
        return
    for folder in folders:
        last = read_last_backup(folder)
        if last is None:
            continue
        if last.error:
            yield Finding("weak", str(folder), f"its last backup failed: {last.error}")
        elif due is not None and len(due.latest(last.at, now, _MISSED)[0]) >= _MISSED:
            yield Finding(
                "weak", str(folder), f"its last backup is {(now - last.at) / 3600:,.1f} hours old, and overdue"
            )
