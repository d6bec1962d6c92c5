"""The fleet that the chaos benchmark strikes: where each process has its data, its volume, its clock and its wire."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.chaos_books import WORLD, world_rows
from bench.wire import Wire
from fleetfold.client import Client
from support.fleet import Fleet, running_fleet, write_jsonl
from support.small_disk import mounted_disk
from support.storm import CHILDREN, Effect

__all__ = ["LIBRARIAN", "ChaosEffect", "Scene", "Setting", "running_scene"]

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "bench" / "mutants"
CLOCK = "CHAOS_CLOCK"
"""The environment variable that has `mutants/clock_offset.py` move the clock of a process."""
DISK_BYTES = 64 * 1024**2
LIBRARIAN, DOCUMENTS = "blog", 80
"""The child that has a collection, and how many documents are in it."""


class Setting:
    """What the whole run is done with: `masters` over one `database` (a URL; None is SQLite), volumes of their own,
    clocks that can be moved, a collection.
    """

    def __init__(
        self, masters: int = 1, database: str | None = None, *, disks: bool = False, clocks: bool = False,
        collection: bool = False,
    ) -> None:  # fmt: skip
        self.masters = ["master", *(f"master-{number}" for number in range(2, masters + 1))]
        self.database, self.disks, self.clocks, self.collection = database, disks, clocks, collection


@dataclass(frozen=True, slots=True)
class ChaosEffect(Effect):
    """A row that an action wrote, and the process that did."""

    pid: int = 0


class Scene:
    """A running fleet, its surroundings, and what happened to it.

    `zombies` are the processes that another one has replaced, by pid, with the keys of the commands that they had begun
    by then; `set_back` are children whose ledger was lost or older than known; `restored_master` says that the masters'
    database was; `told` counts what the product said when it needed an operator.
    """

    def __init__(self, fleet: Fleet, setting: Setting, rng: random.Random) -> None:
        self.fleet, self.setting, self.rng = fleet, setting, rng
        self.wires: dict[str, Wire] = {}
        self.zombies: dict[int, frozenset[str]] = {}
        self.set_back: set[str] = set()
        self.restored_master = False
        self.told = Counter[str]()
        self.data = {name: fleet.place / "children" / name for name in CHILDREN}
        self._words: dict[str, list[str]] = {}

    @property
    def master_database(self) -> Path:
        """The masters' file, where it is one."""
        return self.fleet.place / "master" / "master.db"

    def volume(self, name: str) -> Path:
        """The folder that a process writes to."""
        return self.data.get(name, self.fleet.place / name)

    def master(self) -> str:
        """A master that a fault strikes."""
        return self.rng.choice(self.setting.masters)

    def child(self) -> str:
        """A child that a fault strikes."""
        return self.rng.choice(CHILDREN)

    def set_clock(self, name: str, offset_s: int = 0) -> None:
        """Move the wall clock of a process by so many seconds, or set it right."""
        clock = self._clock(name)
        clock.with_suffix(".new").write_text(str(offset_s))
        clock.with_suffix(".new").replace(clock)

    async def start(self) -> None:
        """Start all of it."""
        for name in self.setting.masters:
            await self.fleet.start(name, *self._master(name), env=self._env(name))
        await asyncio.gather(*(self._start_child(name) for name in CHILDREN))

    async def start_anew(self, child: str) -> None:
        """Start a child that has lost its database."""
        await self.fleet.start(child, *self._words[child], *self._place(child), once=["--new"], env=self._env(child))

    async def start_successor(self, child: str, data: Path) -> None:
        """Start a second process under a child's name, whose data is in `data`."""
        self.data[child] = data
        await self.fleet.start(child, *self._words[child], *self._place(child), env=self._env(child))

    def effects(self) -> list[ChaosEffect]:
        """What the actions wrote: in the world, and in the files of the children of now."""
        rows = [row for name, data in self.data.items() for row in (*world_rows(name), *_rows(data / "node.db"))]
        return [msgspec.convert(row, ChaosEffect) for row in rows]

    async def missing_documents(self, client: Client) -> int:
        """How many of the collection's documents a search does not count."""
        if not self.setting.collection:
            return 0
        found = await client.search("document", collections=["docs"], timeout_s=10.0, limit=100)
        return DOCUMENTS - found.total

    def _place(self, child: str) -> list[str]:
        return ["--data", str(self.data[child])]

    def _master(self, name: str) -> list[str]:
        place = [] if name == "master" else ["--data", str(self.fleet.place / name)]
        database = self.setting.database or f"sqlite:///{self.master_database.resolve()}"
        return ["master", *place, "--database", database]

    async def _start_child(self, name: str) -> None:
        """A child that knows the broker by its wire only, and so cannot invite itself."""
        async with await self.fleet.client() as client:
            invited = await client.nodes.invite(name)
        words = ["child", "--name", name, "--actions", "bench.chaos_books:ACTIONS", "--url", self.wires[name].url]
        if self.setting.collection and name == LIBRARIAN:
            words += ["--collection", f"docs={self._documents()}"]
        self._words[name] = words
        await self.fleet.start(name, *words, "--join", invited.token, env=self._env(name))

    def _documents(self) -> Path:
        records = ({"id": f"d{n}", "title": f"document {n}", "content": f"text number {n}"} for n in range(DOCUMENTS))
        return write_jsonl(self.fleet.place / "docs.jsonl", records)

    def _clock(self, name: str) -> Path:
        return self.fleet.place / f"{name}.clock"

    def _env(self, name: str) -> dict[str, str]:
        env = dict(os.environ)
        if self.setting.clocks:
            self.set_clock(name)
            env[CLOCK] = str(self._clock(name))
        return env


@asynccontextmanager
async def running_scene(place: Path, setting: Setting, rng: random.Random) -> AsyncIterator[Scene]:
    """A fleet of three children in `place`, up."""
    async with AsyncExitStack() as opened:
        if setting.disks:
            (place / "children").mkdir(mode=0o700)
            for name in ("broker", *setting.masters, *(f"children/{name}" for name in CHILDREN)):
                opened.enter_context(mounted_disk(place / name, DISK_BYTES))
        fleet = await opened.enter_async_context(running_fleet(place))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(MUTANTS), os.environ["PYTHONPATH"]])
        (place / "world").mkdir()
        os.environ[WORLD] = str(place / "world")
        scene = Scene(fleet, setting, rng)
        await fleet.start_broker()
        for name in CHILDREN:
            wire = Wire("127.0.0.1", int(fleet.url.rpartition(":")[2]))
            scene.wires[name] = await opened.enter_async_context(wire)
        await scene.start()
        yield scene


def _rows(file: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM effect ORDER BY rowid")]
