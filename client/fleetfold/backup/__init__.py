"""Backups of a fleet's stores on this machine: making, checking and restoring them, beside what runs."""

from __future__ import annotations

from fleetfold.backup.catalogue import BackupEntry, find_backup, list_backups
from fleetfold.backup.creation import create_backup
from fleetfold.backup.manifest import BackupManifest
from fleetfold.backup.restoring import RestoredBackup, restore_backup
from fleetfold.backup.retention_rule import BackupRetention, RemovedBackups, apply_retention
from fleetfold.backup.secret_encryption import find_passphrase
from fleetfold.backup.store_locations import BackupPlaces, chosen_parts, find_places
from fleetfold.backup.targets import BackupTarget, open_target
from fleetfold.backup.verification import VerifiedBackup, verify_backup

__all__ = [
    "BackupEntry", "BackupManifest", "BackupPlaces", "BackupRetention", "BackupTarget", "RemovedBackups",
    "RestoredBackup", "VerifiedBackup", "apply_retention", "chosen_parts", "create_backup", "find_backup",
    "find_passphrase", "find_places", "list_backups", "open_target", "restore_backup", "verify_backup",
]  # fmt: skip
