"""The master: opens its store, takes its place on the bus, and keeps everything going until it is stopped."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from fleetfold_broker.bus import Bus
from fleetfold_broker.gather import Gatherer
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.callout import Callout
from fleetfold_broker.identity.connections import Connections
from fleetfold_broker.identity.usertoken import Issuer
from fleetfold_broker.pull import Handler, StandingPull
from fleetfold_broker.secretfile import read_or_create
from fleetfold_broker.service import Service
from fleetfold_broker.subjects import Subjects
from fleetfold_broker.tasks import Tasks
from fleetfold_broker.topology import GIVEN_UP, MASTERS, RESULTS, Topology
from fleetfold_master.access.rooms import AccessRooms
from fleetfold_master.access.signing import SigningKeys
from fleetfold_master.actions import Bulk, Jobs, Withdrawals
from fleetfold_master.asking import Answering, Model
from fleetfold_master.buses import Account, Buses
from fleetfold_master.chores import every, keep_streams, turn_out
from fleetfold_master.definitions import Definitions
from fleetfold_master.letters import Letters
from fleetfold_master.masters import RELOAD_S, Lives, Membership, Peers, Together
from fleetfold_master.nodes import DeclaredSlots, Presence, Registry
from fleetfold_master.outbox import Outbox
from fleetfold_master.quality import Book, Counts, Measuring
from fleetfold_master.schedules import Schedules
from fleetfold_master.search import Cache, Federation, Own, OwnCollections
from fleetfold_master.service import (
    AccessApi,
    Api,
    BusSender,
    CacheApi,
    DefinitionApi,
    Drop,
    Fleet,
    Guard,
    JobApi,
    LetterApi,
    QualityApi,
    Rooms,
    RunsApi,
    ScheduleApi,
    Starting,
    TransactionApi,
    hear_progress,
)
from fleetfold_master.store import Nodes, Store
from fleetfold_master.store.upkeep import Upkeep
from fleetfold_master.transactions import Transactions
from fleetfold_shared import __version__
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.config import AccessConfig, AskConfig, CallbacksConfig, RetentionConfig, SearchConfig
from fleetfold_shared.embedding import DEFAULT_EMBEDDER, load_embedder
from fleetfold_shared.errors import Conflict
from fleetfold_shared.ids import MASTER, new_id
from fleetfold_shared.urls import shown

__all__ = ["Master"]

log = structlog.get_logger(__name__)

LOCAL = "cli"
"""The identity of the commands on the master's machine."""
SWEEP_S = 0.5
SCHEDULES_S = 1.0
LETTERS_S = 60.0
UPKEEP_S = 2.0
"""How often the broker's streams are looked at, and the registry is written."""
PRUNE_S = 3600.0
TURN_OUT_S = 10.0
GRACE_S = 5.0
"""What is being served has so long to end."""


class Master:
    """One master. Its truth is the database below `data` (or at `database`); the broker may lose everything.

    `federation` is there once it has started. `own` are collections of its own, searched beside the nodes'; who passes
    them closes them after the master.
    """

    federation: Federation
    _together: Together

    def __init__(
        self,
        url: str,
        *,
        data: Path,
        database: str | None = None,
        prefix: str = "fleet",
        heartbeat_s: float = 5.0,
        access: AccessConfig | None = None,
        keys: Path | None = None,
        tls: ssl.SSLContext | None = None,
        ask: AskConfig | None = None,
        clock: Clock | None = None,
        search: SearchConfig | None = None,
        own: OwnCollections | None = None,
        callbacks: CallbacksConfig | None = None,
        retention: RetentionConfig | None = None,
    ) -> None:
        self._url, self._subjects, self._heartbeat_s, self._tls = url, Subjects(prefix), heartbeat_s, tls
        self._data = data
        self._database = database or f"sqlite:///{(data / 'master.db').resolve()}"
        self._config = access or AccessConfig()
        self._search = search or SearchConfig()
        self._ask = ask or AskConfig()
        self._callbacks, self._retention = callbacks or CallbacksConfig(), retention or RetentionConfig()
        self._keys = keys or data / "keys"
        self._clock = clock or SystemClock()
        self._own = None if own is None else Own(own)
        self._open = AsyncExitStack()
        self._tasks = Tasks()
        self._grace_s = GRACE_S
        self._cut_off: Callable[[str], Awaitable[None]] | None = None
        self._claimed: FileLock | None = None
        self._membership: Membership | None = None
        self._lives = Lives(self._start, self._end, self._clock)

    @property
    def documents(self) -> dict[str, int]:
        """How many documents each of its own collections holds."""
        own = [] if self._own is None else self._own.description().collections
        return {collection.name: collection.documents for collection in own}

    async def start(self) -> None:
        """Return when it serves. `Unavailable` without a broker, `InvalidInput` for a database it cannot use."""
        self._claimed = self._claim()
        try:
            await self._lives.start()
        except BaseException:
            self._claimed.release()
            raise
        log.info("master.up", url=shown(self._url))

    async def stop(self) -> None:
        """Finish what is being served and part. Jobs and transactions go on at another master, or at the next start."""
        try:
            await self._lives.stop()
        finally:
            if self._claimed is not None:
                self._claimed.release()

    async def _end(self) -> None:
        """End a life; when its place is lost nothing that it still does can count, and it takes no time for that."""
        lost = self._membership is not None and self._membership.lost.is_set()
        self._grace_s = 0.0 if lost else GRACE_S
        try:
            await self._open.aclose()
        finally:
            await self._tasks.cancel()

    async def local_key(self, existing: str | None = None) -> str:
        """An API key of the role admin for the commands on this machine: `existing`, if it is still good."""
        return await self._access.keys.ensure(LOCAL, "admin", existing)

    async def _start(self) -> Membership:
        store = await Store.open(self._database)
        self._open.push_async_callback(store.close)
        membership = self._membership = await self._take_a_place(store)
        keys = await asyncio.to_thread(BrokerKeys.load, self._keys, os.environ)
        self._buses = Buses(
            self._url, self._subjects, keys=None if self._config.insecure else keys, tls=self._tls,
            name=_listed_as(membership.id),
        )  # fmt: skip
        await self._buses.check()
        bus, gatherer = await self._bus("fleet"), Gatherer(await self._bus("fleet"))
        await asyncio.to_thread(load_embedder, DEFAULT_EMBEDDER)
        presence = Presence(self._clock, self._heartbeat_s)
        gatherer.on_gone = presence.gone
        registry = Registry(Nodes(store), presence, self._clock, __version__)
        await registry.load()
        topology = Topology(bus)
        fleet = Fleet(bus, gatherer, registry, presence, topology, self._heartbeat_s, self._own)
        withdrawals = Withdrawals(topology, fleet.stop_commands, registry, self._clock)
        access = self._access = await self._open_access(store, registry, fleet)
        drop = await self._guard_the_door(access, keys, presence)
        letters = Letters(store, self._clock, by=membership.id)
        fleet.before_removal = letters.of_removed_node
        outbox = await self._open.enter_async_context(Outbox.open(store, self._clock, self._callbacks, self._keys))
        outbox.on_given_up(letters.of_delivery)
        jobs, transactions = await self._recover(store, BusSender(bus), registry, fleet, withdrawals, letters, outbox)
        await gatherer.start()
        together = await self._join_the_others(bus, membership, fleet, jobs, transactions)
        together.results.told = letters.of_step
        await fleet.call_the_roll()
        withdrawals.start()
        await hear_progress(bus, jobs.on_progress)
        await self._take(bus, RESULTS, fleet.results(together.results.take))
        await self._take(bus, GIVEN_UP, letters.of_advisory)
        cache = await self._open_cache(store)
        together.share(registry, access, cache)
        self._together = together
        federation = self.federation = Federation(
            registry, presence, fleet.corpora, gatherer.round, max_parallel=self._search.max_parallel or None,
            cache=cache, told=fleet.epochs, own=self._own,
        )  # fmt: skip
        guard = Guard(access.authority, access.limits, access.audit, access.doorkeeper.where, self._clock)
        guard.route = together.forwarding.route
        access_api = AccessApi(access, registry, fleet, guard.refusals, drop, fleet.answers)
        self._open.push_async_callback(access_api.close)
        quality = self._open_quality(store, registry, federation)
        model = await self._open.enter_async_context(Model.open(self._ask, os.environ))
        answering = Answering(self._ask, registry, fleet.corpora, gatherer.ask, model)
        definitions = Definitions(store, self._clock, registry.find)
        tx_api = TransactionApi(transactions, definitions, outbox.check)
        starting = Starting(access.authority, access.audit)
        schedules = Schedules(store, self._clock, starting.begin)
        runs = RunsApi(registry, jobs, Bulk(store, jobs), guard.refusals, self._clock, outbox.check)
        others = (
            runs, JobApi(jobs), DefinitionApi(definitions), ScheduleApi(schedules, access.authority),
            LetterApi(letters, starting, outbox.retry),
        )  # fmt: skip
        rooms = Rooms(access_api, tx_api, CacheApi(cache, federation), quality, answering, others)
        api = Api(bus, registry, presence, fleet, federation, jobs, gatherer, guard, rooms)
        starting.serve(api.verbs())
        await self._serve(bus, fleet, access, api)
        self._open.callback(transactions.let_go)  # before the service waits for what it is serving
        outbox.start(bus)
        self._keep_time(schedules, letters)
        self._tasks.spawn(
            every(self._clock, SWEEP_S, presence.sweep, jobs.sweep, transactions.sweep, withdrawals.sweep)
        )
        keeping = partial(keep_streams, bus, fleet, jobs, transactions)
        self._tasks.spawn(
            every(self._clock, UPKEEP_S, registry.save, keeping, access.save, guard.refusals.settle, cache.save)
        )
        self._tasks.spawn(every(self._clock, UPKEEP_S, jobs.save_progress))
        self._tasks.spawn(every(self._clock, PRUNE_S, access.prune, Upkeep(store, self._clock, self._retention).prune))
        self._tasks.spawn(every(self._clock, RELOAD_S, together.sharing.reload))
        return membership

    async def _take_a_place(self, store: Store) -> Membership:
        """A place among the masters of this database, given up before the store is closed."""
        seat = await asyncio.to_thread(read_or_create, self._data / "seat", lambda: new_id().encode())
        membership = Membership(store, self._clock, seat.decode()[:32])
        await membership.join()
        self._open.push_async_callback(membership.leave)
        membership.start()
        return membership

    async def _join_the_others(
        self, bus: Bus, membership: Membership, fleet: Fleet, jobs: Jobs, transactions: Transactions
    ) -> Together:
        together = Together(Peers(bus, membership), fleet, jobs, transactions)
        if self._cut_off is not None:
            together.cut_off = self._cut_off
        self._open.push_async_callback(together.stop)
        await together.start()
        membership.on_taken = together.drive_on
        return together

    def _keep_time(self, schedules: Schedules, letters: Letters) -> None:
        self._open.push_async_callback(schedules.close)
        self._open.push_async_callback(self._tasks.cancel)
        self._tasks.spawn(every(self._clock, SCHEDULES_S, schedules.sweep))
        self._tasks.spawn(every(self._clock, LETTERS_S, letters.prune))
        self._tasks.spawn(every(self._clock, PRUNE_S, schedules.prune))

    async def _open_cache(self, store: Store) -> Cache:
        cache = Cache(store, self._clock, self._search)
        await cache.load()
        self._open.push_async_callback(cache.close)
        return cache

    def _open_quality(self, store: Store, registry: Registry, federation: Federation) -> QualityApi:
        counts = Counts(store, self._clock, self._search.quality_days)
        self._open.push_async_callback(counts.save)
        self._tasks.spawn(every(self._clock, UPKEEP_S, counts.save))
        self._tasks.spawn(every(self._clock, PRUNE_S, counts.prune))
        return QualityApi(Book(store, self._clock), counts, Measuring(store, federation.search, self._clock), registry)

    async def _open_access(self, store: Store, registry: Registry, fleet: Fleet) -> AccessRooms:
        signing = await asyncio.to_thread(SigningKeys.load, self._keys, os.environ, self._clock)
        access = AccessRooms(store, registry, signing, self._config, self._subjects, self._clock, fleet.answers)
        self._open.push_async_callback(access.close)
        await access.load()
        return access

    async def _recover(
        self, store: Store, sender: BusSender, registry: Registry, fleet: Fleet, withdrawals: Withdrawals,
        letters: Letters, outbox: Outbox,
    ) -> tuple[Jobs, Transactions]:  # fmt: skip
        """What was under way when the last master ended goes on."""
        assert self._membership is not None
        owner = self._membership.id
        jobs = Jobs(
            store, sender, self._clock, registry, at_end=outbox.job_ended, withdrawals=withdrawals,
            slots_of=DeclaredSlots(registry, self._clock), letters_for=letters.of_task, owner=owner,
        )  # fmt: skip
        transactions = Transactions(
            store, sender, self._clock, registry, registry.find, at_end=outbox.transaction_ended,
            withdrawals=withdrawals, owner=owner,
        )  # fmt: skip
        self._open.push_async_callback(jobs.close)
        self._open.push_async_callback(transactions.close)
        self._open.push_async_callback(withdrawals.close)
        await fleet.ensure()
        await jobs.recover()
        await transactions.recover()
        return jobs, transactions

    async def _take(self, bus: Bus, stream: str, handler: Handler) -> None:
        pull = StandingPull(bus, stream, MASTERS, handler)
        await pull.start()
        self._open.push_async_callback(self._gracefully(pull.stop))

    async def _serve(self, bus: Bus, fleet: Fleet, access: AccessRooms, api: Api) -> None:
        service = Service(bus, "fleetfold", version=__version__, description="the masters of a fleet")
        self._open.push_async_callback(self._gracefully(service.stop))
        self._open.push_async_callback(fleet.corpora.stop)
        self._open.push_async_callback(self._tasks.cancel)
        await fleet.start()
        await access.start(service)
        await api.start(service)
        await service.start()
        await bus.link.barrier()

    def _gracefully(self, stop: Callable[[float], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """`stop` with as much time as there is when it comes to that."""

        async def stop_now() -> None:
            await stop(self._grace_s)

        return stop_now

    async def _bus(self, account: Account) -> Bus:
        return await self._open.enter_async_context(await self._buses.open(account))

    async def _guard_the_door(self, access: AccessRooms, keys: BrokerKeys, presence: Presence) -> Drop:
        """Answer the broker's question who is connecting; returns how to end an identity's connections."""
        if self._config.insecure:
            log.warning("master.INSECURE", meaning="whoever reaches the broker may say and hear everything")
            return _drop_nobody
        callout = Callout(await self._bus("auth"), Issuer(keys.issuer), self._subjects, access.doorkeeper.admit)
        self._open.push_async_callback(callout.stop)
        await callout.start()
        connections = Connections(await self._bus("sys"))

        def drop_thief(node: str) -> None:
            self._tasks.spawn(drop(node))

        async def drop(name: str) -> int:
            dropped = await connections.drop(name)
            presence.gone(name)
            return dropped

        async def cut_off(master: str) -> None:
            dropped = await connections.cut_off(_listed_as(master))
            log.info("master.cut_off", master=master, connections=dropped)

        access.sessions.on_theft = drop_thief
        self._cut_off = cut_off
        self._tasks.spawn(every(self._clock, TURN_OUT_S, partial(turn_out, access, connections)))
        return drop

    def _claim(self) -> FileLock:
        """One master for each data directory; the kernel lets go of it however the process ends."""
        self._data.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._data / "master.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Conflict(f"another master already uses {self._data}: stop it, or name another with --data") from None
        return lock


def _listed_as(master: str) -> str:
    """What the broker calls the connections of a master."""
    return f"{MASTER}-{master}"


async def _drop_nobody(_name: str) -> int:
    """Without identities, nobody can be told from another."""
    return 0
