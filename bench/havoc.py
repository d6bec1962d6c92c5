"""The faults of the chaos benchmark, and their causing: one after the other, in the order of a seed."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from bench.chaos_scene import Scene, Setting
from bench.file_faults import FileFaults
from bench.machine_faults import MachineFaults
from bench.process_faults import ProcessFaults

__all__ = ["FAULTS", "Fault", "Havoc", "chosen", "setting_for"]

BETWEEN_S = (0.2, 1.2)


class Struck:
    """What faults are caused in: the faults of a scene by kind, and who is struck by one."""

    def __init__(self, scene: Scene) -> None:
        self.process, self.file, self.machine = ProcessFaults(scene), FileFaults(scene), MachineFaults(scene)
        self.master, self.child, self.masters = scene.master, scene.child, scene.setting.masters


class Fault(NamedTuple):
    """One row of the table. `strike` causes it and returns when it is healed; `weight` says how often it is drawn, 0
    for one that must be named.
    """

    name: str
    weight: int
    breaks: str
    heals: str
    strike: Callable[[Struck], Awaitable[None]]
    possible: Callable[[Setting], bool] = lambda _setting: True


def _disks(setting: Setting) -> bool:
    return setting.disks


def _clocks(setting: Setting) -> bool:
    return setting.clocks


def _collection(setting: Setting) -> bool:
    return setting.collection


def _file(setting: Setting) -> bool:
    return setting.database is None


def _several(setting: Setting) -> bool:
    return len(setting.masters) > 1


FAULTS = (
    Fault("kill master", 4, "kill -9", "started again", lambda to: to.process.kill(to.master())),
    Fault("kill child", 5, "kill -9", "started again", lambda to: to.process.kill(to.child())),
    Fault("kill server", 3, "kill -9 of nats-server", "its supervisor does", lambda to: to.process.kill("server")),
    Fault("kill broker", 1, "kill -9 of supervisor and server", "started again", lambda to: to.process.kill("broker")),
    Fault("kill master and child", 2, "kill -9 of both", "started again",
          lambda to: to.process.kill(to.master(), to.child())),
    Fault("kill server and child", 1, "kill -9 of both", "started again",
          lambda to: to.process.kill("server", to.child())),
    Fault("kill all masters", 1, "kill -9 of all", "started again", lambda to: to.process.kill(*to.masters), _several),
    Fault("freeze child", 3, "SIGSTOP for seconds", "SIGCONT", lambda to: to.process.freeze(to.child())),
    Fault("freeze master", 4, "SIGSTOP for seconds", "SIGCONT", lambda to: to.process.freeze(to.master())),
    Fault("freeze server", 1, "SIGSTOP for seconds", "SIGCONT", lambda to: to.process.freeze("server")),
    Fault("hung master", 2, "SIGSTOP beyond its lease", "SIGCONT", lambda to: to.process.hang(to.master())),
    Fault("zombie", 3, "a second process with a copy of a frozen child's data", "SIGCONT: the first must give up",
          lambda to: to.process.replace(to.child())),
    Fault("cut wire", 5, "a child's connection drops everything", "it is closed",
          lambda to: to.process.cut(to.child())),
    Fault("lost store", 1, "the broker's store is deleted", "started again", lambda to: to.process.lose_store()),
    Fault("full broker disk", 2, "no byte is free", "room", lambda to: to.machine.fill("broker"), _disks),
    Fault("full master disk", 2, "no byte is free", "room", lambda to: to.machine.fill(to.master()), _disks),
    Fault("full child disk", 2, "no byte is free", "room", lambda to: to.machine.fill(to.child()), _disks),
    Fault("clock of a master", 2, "minutes to years off", "right again",
          lambda to: to.machine.move_clock(to.master()), _clocks),
    Fault("clock of a child", 2, "minutes to years off", "right again",
          lambda to: to.machine.move_clock(to.child()), _clocks),
    Fault("forgotten ledger", 1, "a child's database is deleted", "--new, and `nodes reconcile --accept`",
          lambda to: to.file.forget_ledger(to.child())),
    Fault("older ledger", 2, "an older copy is put back", "`nodes reconcile --accept`",
          lambda to: to.file.age_ledger(to.child())),
    Fault("restored master", 0, "an older copy of the masters' database is put back", "the masters do",
          lambda to: to.file.age_master(), _file),
    Fault("damaged ledger", 2, "a page is overwritten", "restored, when it is refused",
          lambda to: to.file.damage_ledger(to.child())),
    Fault("damaged master database", 1, "a page is overwritten", "restored, when it is refused",
          lambda to: to.file.damage_master(), _file),
    Fault("damaged store", 2, "bytes of the broker's store are overwritten", "the broker does",
          lambda to: to.file.damage_store()),
    Fault("damaged collection", 2, "bytes of a LanceDB file are overwritten", "filled again from its source",
          lambda to: to.file.damage_collection(), _collection),
)  # fmt: skip


def chosen(names: Collection[str], setting: Setting) -> list[Fault]:
    """Those named, or without names all that have a weight, as far as they are possible here."""
    return [
        fault._replace(weight=max(1, fault.weight))
        for fault in FAULTS
        if (fault.name in names if names else fault.weight) and fault.possible(setting)
    ]


def setting_for(names: Collection[str], masters: int, database: str | None) -> Setting:
    """What the faults need, as far as this machine can: small volumes (root), movable clocks, a collection."""
    given = [fault for fault in FAULTS if not names or fault.name in names]
    needed = {fault.possible for fault in given}
    return Setting(
        masters, database,
        disks=_disks in needed and os.geteuid() == 0 and shutil.which("mount") is not None,
        clocks=_clocks in needed,
        collection=_collection in needed,
    )  # fmt: skip


class Havoc:
    """Causes faults, in turns in which each comes as often as it weighs. `counts` says how often each was."""

    def __init__(self, scene: Scene, given: Sequence[Fault]) -> None:
        self._rng, self._struck, self._faults = scene.rng, Struck(scene), given
        self._caused = asyncio.Condition()
        self.counts: Counter[str] = Counter()

    async def rage(self, over: asyncio.Event) -> None:
        """Strike until `over` is set."""
        for fault in self._drawn():
            if over.is_set():
                return
            await asyncio.sleep(self._rng.uniform(*BETWEEN_S))
            await fault.strike(self._struck)
            async with self._caused:
                self.counts[fault.name] += 1
                self._caused.notify_all()

    async def until(self, count: int) -> None:
        """Wait until so many faults were caused."""
        async with self._caused:
            await self._caused.wait_for(lambda: self.counts.total() >= count)

    def _drawn(self) -> Iterator[Fault]:
        while True:
            turn = [fault for fault in self._faults for _ in range(fault.weight)]
            self._rng.shuffle(turn)
            yield from turn
