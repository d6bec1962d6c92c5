"""The master: opens its store, takes its place on the bus, and keeps everything going until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from fleetfold_broker.bus import Bus
from fleetfold_broker.gather import Gatherer
from fleetfold_broker.pull import StandingPull
from fleetfold_broker.service import Service
from fleetfold_broker.subjects import Subjects
from fleetfold_broker.tasks import Tasks
from fleetfold_broker.topology import MASTERS, RESULTS, Topology
from fleetfold_master.actions import Jobs
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.search import Federation
from fleetfold_master.service import Api, BusSender, Fleet
from fleetfold_master.store import Nodes, Store
from fleetfold_master.transactions import Transactions
from fleetfold_shared import __version__
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.embedding import DEFAULT_EMBEDDER, load_embedder
from fleetfold_shared.errors import Conflict, FleetfoldError
from fleetfold_shared.urls import shown

__all__ = ["Master"]

log = structlog.get_logger(__name__)

NAME = "master"
SWEEP_S = 0.5
UPKEEP_S = 2.0
"""How often the broker's streams are looked at, and the registry is written."""

Chore = Callable[[], Awaitable[None] | None]


class Master:
    """One master. Its truth is the database below `data` (or at `database`); the broker may lose everything."""

    def __init__(
        self,
        url: str,
        *,
        data: Path,
        database: str | None = None,
        prefix: str = "fleet",
        heartbeat_s: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self._url, self._subjects, self._heartbeat_s = url, Subjects(prefix), heartbeat_s
        self._data = data
        self._database = database or f"sqlite:///{(data / 'master.db').resolve()}"
        self._clock = clock or SystemClock()
        self._open = AsyncExitStack()
        self._tasks = Tasks()

    async def start(self) -> None:
        """Return when it serves. `Unavailable` without a broker, `InvalidInput` for a database it cannot use."""
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise
        log.info("master.up", url=shown(self._url))

    async def stop(self) -> None:
        """Finish what is being served and part. Jobs and transactions go on at the next start."""
        await self._open.aclose()

    async def _start(self) -> None:
        self._open.callback(self._claim().release)
        store = await Store.open(self._database)
        self._open.push_async_callback(store.close)
        bus = await self._open.enter_async_context(await Bus.connect(self._url, NAME, self._subjects))
        gathering = await self._open.enter_async_context(await Bus.connect(self._url, NAME, self._subjects))
        await asyncio.to_thread(load_embedder, DEFAULT_EMBEDDER)
        presence = Presence(self._clock, self._heartbeat_s)
        registry = Registry(Nodes(store), presence, self._clock, __version__)
        await registry.load()
        topology = Topology(bus)
        fleet = Fleet(bus, registry, presence, topology, self._heartbeat_s)
        gatherer = Gatherer(gathering, on_gone=presence.gone)
        sender = BusSender(bus)
        jobs = Jobs(store, sender, self._clock, registry)
        transactions = Transactions(store, sender, self._clock, registry, registry.find)
        self._open.push_async_callback(jobs.close)
        self._open.push_async_callback(transactions.close)
        await fleet.ensure()
        await jobs.recover()
        await transactions.recover()
        await gatherer.start()
        await fleet.call_the_roll(gatherer)
        pull = StandingPull(bus, RESULTS, MASTERS, fleet.results(jobs.on_result, transactions.on_result))
        await pull.start()
        self._open.push_async_callback(pull.stop)
        federation = Federation(registry, presence, fleet.corpora, gatherer.ask)
        service = Service(bus, "fleetfold", version=__version__, description="the masters of a fleet")
        api = Api(bus, registry, presence, fleet, federation, jobs, transactions, gatherer)
        self._open.push_async_callback(service.stop)
        self._open.push_async_callback(fleet.corpora.stop)
        self._open.push_async_callback(self._tasks.cancel)
        await fleet.start(service)
        await api.start(service)
        await service.start()
        await bus.link.barrier()
        self._tasks.spawn(self._every(SWEEP_S, presence.sweep, jobs.sweep, transactions.sweep))
        keep_streams = partial(_keep_streams, bus, fleet, jobs, transactions)
        self._tasks.spawn(self._every(UPKEEP_S, registry.save, keep_streams))

    def _claim(self) -> FileLock:
        """One master for each data directory; the kernel lets go of it however the process ends."""
        self._data.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._data / "master.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Conflict(f"another master already uses {self._data}: stop it, or name another with --data") from None
        return lock

    async def _every(self, pause_s: float, *chores: Chore) -> None:
        """Do `chores` again and again; one that fails is done again in its next turn, and holds up no other."""
        while True:
            await self._clock.sleep(pause_s)
            for chore in chores:
                try:
                    if (work := chore()) is not None:
                        await work
                except FleetfoldError as error:
                    log.warning("master.chore_failed", reason=error.message)
                except Exception:  # a defect in one round must not end the sweep for good
                    log.exception("master.chore_broke")


async def _keep_streams(bus: Bus, fleet: Fleet, jobs: Jobs, transactions: Transactions) -> None:
    """What the broker has lost is made anew, and sent again."""
    if bus.link.is_up and await fleet.ensure():
        log.warning("master.broker_lost_its_store")
        await jobs.resend_all()
        await transactions.resend_all()
