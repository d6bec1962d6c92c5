"""When a daemon's backups are due, and how its last one went."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from fleetfold_shared.config import BackupConfig
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.recurrence import Recurrence

__all__ = ["LAST_BACKUP", "LastBackup", "read_last_backup", "recurrence"]

LAST_BACKUP = "backup.json"


class LastBackup(msgspec.Struct, frozen=True):
    """How the last scheduled backup went: when it ended in Unix seconds, its id, or the error.

    `succeeded_at` is the end of the last one that went well.
    """

    at: float
    id: str = ""
    error: str = ""
    succeeded_at: float | None = None


def recurrence(config: BackupConfig) -> Recurrence | None:
    """When backups are due; `None` if they are not scheduled. Raises `InvalidInput` for settings that do not fit
    together."""
    if config.every_s is None and config.cron is None:
        return None
    if config.target is None:
        raise InvalidInput("backup.target: a schedule needs one; name a directory or a URL", field="backup.target")
    due = Recurrence("backup", config.cron, config.every_s, config.timezone, anchor=0)
    due.check()
    return due


def read_last_backup(folder: Path) -> LastBackup | None:
    """Return how the last backup of a daemon with this data folder went; `None` if none has ended."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((folder / LAST_BACKUP).read_bytes(), type=LastBackup)
    return None
