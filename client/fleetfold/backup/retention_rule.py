"""How long backups are kept. What a kept backup needs is never deleted."""

from __future__ import annotations

import time
from collections import defaultdict

import msgspec

from fleetfold.backup.catalogue import (
    OBJECTS,
    complete_backups,
    list_backups,
    manifest_name,
    object_name,
    started_name,
)
from fleetfold.backup.manifest import BackupManifest
from fleetfold.backup.targets import BackupTarget
from fleetfold_shared.errors import InvalidInput

__all__ = ["BackupRetention", "RemovedBackups", "apply_retention"]

_DAY_S = 86_400
_GIVEN_UP_S = _DAY_S
"""Age at which an incomplete backup counts as given up. Until then nothing that no manifest names is deleted: it may
have been copied for it."""


class BackupRetention(msgspec.Struct, frozen=True):
    """A backup is kept if it is among the latest `keep` of its parts and machine, or younger than `keep_days`; without
    either all are. The latest one of each always is."""

    keep: int | None = None
    keep_days: float | None = None

    def check(self) -> None:
        """Raise `InvalidInput` for a number that would keep nothing."""
        if self.keep is not None and self.keep < 1:
            raise InvalidInput("keep: at least 1 backup is kept", field="keep")
        if self.keep_days is not None and self.keep_days <= 0:
            raise InvalidInput("keep_days: it must be more than 0", field="keep_days")


class RemovedBackups(msgspec.Struct, frozen=True):
    """The ids of the backups that were deleted, and how many files and bytes of the target are free again."""

    ids: list[str] = []
    files: int = 0
    bytes: int = 0


def apply_retention(target: BackupTarget, rule: BackupRetention, now: float | None = None) -> RemovedBackups:
    """Delete the backups that the rule does not keep, then the files that no other backup has.

    Raises for a manifest that cannot be read, and deletes nothing: nobody could tell what it needs.
    """
    rule.check()
    now = time.time() if now is None else now
    with target.exclusive():
        complete = complete_backups(target)
        gone = [made for made in complete if made not in _retained(complete, rule, now)]
        for made in gone:
            target.delete(manifest_name(made.id))
            target.delete(started_name(made.id))
        freed = [] if _under_way(target, now) else _unused(target, [made for made in complete if made not in gone])
        size = sum(target.size(name) or 0 for name in freed)
        for name in freed:
            target.delete(name)
    return RemovedBackups([made.id for made in gone], len(freed), size)


def _retained(complete: list[BackupManifest], rule: BackupRetention, now: float) -> list[BackupManifest]:
    """`complete` is newest first."""
    if rule.keep is None and rule.keep_days is None:
        return complete
    alike = defaultdict[tuple[str, ...], list[BackupManifest]](list)
    for made in complete:
        alike[(made.host, *sorted(made.parts))].append(made)
    since = now - (rule.keep_days or 0.0) * _DAY_S
    return [
        made for group in alike.values() for place, made in enumerate(group)
        if place < max(rule.keep or 0, 1) or (rule.keep_days is not None and made.began_at >= since)
    ]  # fmt: skip


def _under_way(target: BackupTarget, now: float) -> bool:
    """Whether a backup is being made; what is left of those given up is deleted."""
    young = False
    for entry in list_backups(target):
        if entry.state != "incomplete":
            continue
        if abs(now - _began_at(target, entry.id)) < _GIVEN_UP_S:
            young = True
        else:
            target.delete(started_name(entry.id))
    return young


def _began_at(target: BackupTarget, backup: str) -> float:
    try:
        said = msgspec.json.decode(target.read(started_name(backup)), type=dict[str, float | str])
        return float(said["began_at"])
    except (FileNotFoundError, msgspec.MsgspecError, KeyError, ValueError):
        return 0.0


def _unused(target: BackupTarget, retained: list[BackupManifest]) -> list[str]:
    needed = {object_name(file.sha256) for made in retained for file in made.files}
    return [name for name in target.names(OBJECTS) if name not in needed]
