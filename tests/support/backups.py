"""The data of a small fleet on the disk, and backups of it: a master's database, and a node with documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from fleetfold.backup import BackupManifest, BackupPlaces, create_backup, find_places
from fleetfold.backup.targets import BackupTarget, DirectoryTarget
from fleetfold_broker.secret_file import private_folder, replace
from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.interfaces import Entry
from fleetfold_child.index.lance_table import Table
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_master.store import Store
from fleetfold_shared.config import Config

__all__ = ["DIMENSIONS", "PARTS", "PASSPHRASE", "FleetData", "entries", "open_table"]

PASSPHRASE = "correct horse battery"
PARTS = ["master", "nodes/shop"]
DIMENSIONS = 8


class FleetData:
    """The state directory `place` of a fleet with a master and the node `shop`, which do not run."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.target: BackupTarget = DirectoryTarget(place.with_name(f"{place.name}-backups"))

    @classmethod
    async def make(cls, place: Path, documents: int = 20) -> FleetData:
        """Make the data."""
        data = cls(place)
        await (await Store.open(f"sqlite:///{data.master_file}")).close()
        private_folder(data.node)
        await (await Ledger.open(data.ledger, incarnation="i1")).close()
        table = await open_table(data.node)
        await table.write(entries(range(documents)))
        await table.close()
        replace(data.node / "sources.json", b"{}")
        replace(data.node / "credentials.json", b'{"node":"shop"}')
        replace(place / "keys" / "signing.json", b'{"secret":1}')
        return data

    @property
    def master_file(self) -> Path:
        return self.place / "master" / "master.db"

    @property
    def node(self) -> Path:
        return self.place / "children" / "shop"

    @property
    def ledger(self) -> Path:
        return self.node / "node.db"

    @property
    def places(self) -> BackupPlaces:
        return find_places(Config(), self.place)

    def back_up(self, parts: Sequence[str] = PARTS, *, passphrase: str | None = None) -> BackupManifest:
        """Make a backup."""
        return create_backup(self.target, self.places, parts, passphrase=passphrase)

    def add_job(self, job: str) -> None:
        """Have the master know a job."""
        with closing(sqlite3.connect(self.master_file)) as database, database:
            database.execute(
                "INSERT INTO job (id, digest, caller, action, params, sequential, timeout_s, state, created_at)"
                " VALUES (?, '', 'cli', 'post', '{}', 0, 1, 'running', 1)",
                (job,),
            )

    def add_command(self, command: str, admitted_at: float) -> None:
        """Have the node's ledger know a command."""
        with closing(sqlite3.connect(self.ledger)) as ledger, ledger:
            ledger.execute(
                "INSERT INTO fleetfold_command (id, action, kind, state, starts, incarnation, epoch, attempt, params,"
                " outcome, admitted_at) VALUES (?, 'post', 'idempotent', 'done', 1, '', 0, 1, '{}', 'ok', ?)",
                (command, admitted_at),
            )


async def open_table(node: Path) -> Table:
    return await Table.open(node, "things", DIMENSIONS, {"analyzer": "a"})


def entries(numbers: Sequence[int]) -> list[Entry]:
    """Entries with these numbers as ids."""
    vector = np.ones(DIMENSIONS, dtype=np.float32)
    return [Entry(Document(str(number), "", f"text {number}", {}), ["text"], vector) for number in numbers]
