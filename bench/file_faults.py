"""Faults of files: lost, older and damaged ones, each put in place while its process is dead."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from bench.chaos_scene import LIBRARIAN, Scene
from fleetfold_shared.errors import FleetfoldError, Unavailable
from support.wait import eventually

__all__ = ["FileFaults"]

PAGE = 4096
GARBAGE = b"\xde\xad" * 64
AGED_S = (2.0, 6.0)
"""How much older a copy of the masters' database is."""
KNOWN_WITHIN_S = 10.0
"""Within which time the masters learn that a ledger has grown: two heartbeats."""


class FileFaults:
    """Loses, sets back and damages files of a scene. What the product refuses is restored as its message says."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._fleet, self._rng = scene, scene.fleet, scene.rng

    async def forget_ledger(self, child: str) -> None:
        """A child's database is deleted. It is refused without --new; the operator has it begin anew."""
        ledger = self._ledger(child)
        with suppress(TimeoutError):  # nothing has run there yet: then there is nothing to forget
            await eventually(lambda: self._is_known_beyond(child, 0), KNOWN_WITHIN_S)
        await self._fleet.kill(child)
        _delete(ledger)
        if not await self._starts(child):
            self._scene.told["refused to start without its database"] += 1
            await self._scene.start_anew(child)
        self._scene.set_back.add(child)

    async def age_ledger(self, child: str) -> None:
        """An older copy of a child's database is put back, one that the masters know to be older."""
        ledger, copy = self._ledger(child), self._fleet.place / f"{child}.older"
        _back_up(ledger, copy)
        with suppress(TimeoutError):  # nothing came meanwhile: then it is no older one
            height = _height(copy)
            await eventually(lambda: self._is_known_beyond(child, height), KNOWN_WITHIN_S)
            await self._fleet.kill(child)
            _delete(ledger)
            shutil.copy(copy, ledger)
            self._scene.set_back.add(child)
            await self._fleet.restart(child)

    async def age_master(self) -> None:
        """An older copy of the masters' database is put back."""
        database, copy = self._scene.master_database, self._fleet.place / "master.older"
        _back_up(database, copy)
        await asyncio.sleep(self._rng.uniform(*AGED_S))
        await self._fleet.kill(*self._scene.setting.masters)
        _delete(database)
        shutil.copy(copy, database)
        self._scene.restored_master = True
        await self._fleet.restart(*self._scene.setting.masters)

    async def damage_ledger(self, child: str) -> None:
        """A page of a child's database is overwritten; what refuses to start is restored."""
        await self._damage_database(self._ledger(child), [child])

    async def damage_master(self) -> None:
        """A page of the masters' database is overwritten; what refuses to start is restored."""
        await self._damage_database(self._scene.master_database, self._scene.setting.masters)

    async def damage_store(self) -> None:
        """Bytes of a file of the broker's store are overwritten."""
        await self._fleet.kill("broker")
        files = [file for file in (self._fleet.place / "broker" / "jetstream").rglob("*") if file.is_file()]
        if files:
            _overwrite(self._rng, self._rng.choice(sorted(files)))
        await self._fleet.restart("broker")

    async def damage_collection(self) -> None:
        """Bytes of a file of a LanceDB table are overwritten."""
        await self._fleet.kill(LIBRARIAN)
        files = [file for file in (self._scene.data[LIBRARIAN] / "lance").rglob("*") if file.is_file()]
        _overwrite(self._rng, self._rng.choice(sorted(files)))
        await self._fleet.restart(LIBRARIAN)

    async def _damage_database(self, database: Path, owners: Sequence[str]) -> None:
        await self._fleet.kill(*owners)
        kept = {file: file.read_bytes() for file in _files(database)}
        _overwrite_page(self._rng, database)
        if not await self._starts(*owners):
            self._scene.told["refused to start on a damaged database"] += 1
            for name in owners:
                await self._fleet.stop(name)
            _delete(database)
            for path, content in kept.items():
                path.write_bytes(content)
            await self._fleet.restart(*owners)

    async def _starts(self, *names: str) -> bool:
        with suppress(Unavailable):
            for name in names:
                await self._fleet.restart(name)
            return True
        return False

    async def _is_known_beyond(self, child: str, height: int) -> bool:
        """Whether the masters know that the child's ledger is higher; they learn it by heartbeats."""
        try:
            async with await self._fleet.client() as client:
                known = (await client.nodes.get(child)).ledger
        except FleetfoldError:
            return False
        return known is not None and known.height > height

    def _ledger(self, child: str) -> Path:
        return self._scene.data[child] / "node.db"


def _back_up(database: Path, copy: Path) -> None:
    """Copy all that is committed."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _delete(database: Path) -> None:
    """Delete a database with its write-ahead log."""
    for file in _files(database):
        file.unlink()


def _files(database: Path) -> list[Path]:
    """The files of a database that are there."""
    return [file for end in ("", "-wal", "-shm") if (file := database.with_name(database.name + end)).exists()]


def _height(ledger: Path) -> int:
    with closing(sqlite3.connect(ledger)) as connection:
        return int(connection.execute("SELECT height FROM fleetfold_ledger").fetchone()[0])


def _overwrite_page(rng: random.Random, database: Path) -> None:
    """Overwrite the head of a page."""
    page = rng.randrange(max(1, database.stat().st_size // PAGE))
    with database.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(GARBAGE)


def _overwrite(rng: random.Random, path: Path) -> None:
    """Overwrite a part of a file, which keeps its size."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(rng.randrange(max(1, size - len(GARBAGE))))
        file.write(GARBAGE[: size or 0])
