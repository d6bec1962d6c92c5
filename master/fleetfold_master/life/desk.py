"""The desk: all that callers may ask of a master, and what it needs to answer them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fleetfold_broker.places import Places
from fleetfold_broker.service import Service
from fleetfold_master.actions import Bulk
from fleetfold_master.asking import Answering, Model
from fleetfold_master.definitions import Definitions
from fleetfold_master.life.door import Door
from fleetfold_master.life.ground import Ground
from fleetfold_master.life.work import Work
from fleetfold_master.masters import Roll, Together
from fleetfold_master.quality import Book, Counts, Measuring
from fleetfold_master.schedules import Schedules
from fleetfold_master.search import Cache, Federation
from fleetfold_master.service import (
    AccessApi,
    Api,
    CacheApi,
    DefinitionApi,
    Discovery,
    Guard,
    JobApi,
    LetterApi,
    MasterApi,
    QualityApi,
    Rooms,
    RunsApi,
    ScheduleApi,
    Starting,
    TransactionApi,
)
from fleetfold_shared import __version__

__all__ = ["Desk", "open_desk", "serve"]


@dataclass(frozen=True, slots=True)
class Desk:
    """What others need of it, by name."""

    api: Api
    guard: Guard
    federation: Federation
    cache: Cache
    counts: Counts
    schedules: Schedules


async def open_desk(ground: Ground, door: Door, work: Work, together: Together) -> Desk:
    """All the verbs; nobody is answered yet."""
    cache = await _open_cache(ground)
    together.share(ground.registry, door.access, cache)
    federation = _federation(ground, cache)
    access = door.access
    guard = Guard(access.authority, access.limits, access.audit, access.doorkeeper.where, ground.clock)
    guard.route = together.forwarding.route
    access.authority.look_again = together.sharing.look_again
    access_api = AccessApi(access, ground.registry, ground.fleet, guard.refusals, door.drop, ground.fleet.answers)
    ground.span.at_end(access_api.close)
    counts = _open_counts(ground)
    measuring = Measuring(ground.store, federation.search, ground.clock)
    quality = QualityApi(Book(ground.store, ground.clock), counts, measuring, ground.registry, ground.fleet.holds)
    answering = await _open_answering(ground)
    definitions = Definitions(ground.store, ground.clock, ground.registry.find)
    starting = Starting(access.authority, access.audit)
    schedules = Schedules(ground.store, ground.clock, starting.begin)
    bulk = Bulk(ground.store, work.jobs)
    others = (
        RunsApi(ground.registry, work.jobs, bulk, guard.refusals, ground.clock, work.outbox.check),
        JobApi(work.jobs), DefinitionApi(definitions), ScheduleApi(schedules, access.authority, starting),
        LetterApi(work.letters, starting, work.outbox.retry), MasterApi(Roll(ground.store, ground.membership).call),
    )  # fmt: skip
    tx_api = TransactionApi(work.transactions, definitions, work.outbox.check)
    rooms = Rooms(access_api, tx_api, CacheApi(cache, federation), quality, answering, others)
    api = Api(
        ground.bus, ground.registry, ground.presence, ground.fleet, federation, work.jobs, ground.gatherer, guard, rooms
    )
    starting.serve(api.verbs())
    return Desk(api, guard, federation, cache, counts, schedules)


async def serve(ground: Ground, door: Door, desk: Desk) -> None:
    """Answer nodes and callers. Returns when the broker knows that this master does."""
    places = Places(ground.setup.limits)
    service = Service(ground.bus, "fleetfold", version=__version__, description="the masters of a fleet", places=places)
    ground.span.at_end_gracefully(service.stop)
    ground.span.at_end(ground.fleet.corpora.stop)
    ground.span.at_end_stand_still()
    ground.span.at_end(ground.fleet.stop)
    await ground.fleet.start()
    await door.access.start(service)
    await desk.api.start(service)
    await _discovery(ground, door, service).start()
    await ground.bus.link.barrier()


def _discovery(ground: Ground, door: Door, service: Service) -> Discovery:
    membership = ground.membership
    discovery = Discovery(
        ground.bus, ground.gatherer, service.introspection, door.access.authority, door.access.limits,
        lambda: [node.name for node in ground.registry.all()], lambda: (membership.id, *membership.others),
        identified=not ground.setup.access.insecure,
    )  # fmt: skip
    ground.span.at_end(discovery.stop)
    return discovery


async def _open_cache(ground: Ground) -> Cache:
    cache = Cache(ground.store, ground.clock, ground.setup.search)
    await cache.load()
    ground.span.at_end(cache.close)
    return cache


def _federation(ground: Ground, cache: Cache) -> Federation:
    return Federation(
        ground.registry, ground.presence, ground.fleet.corpora, ground.gatherer.round,
        max_parallel=ground.setup.search.max_parallel or None, cache=cache, told=ground.fleet.epochs,
        own=ground.setup.own,
    )  # fmt: skip


def _open_counts(ground: Ground) -> Counts:
    counts = Counts(ground.store, ground.clock, ground.setup.search.quality_days)
    ground.span.at_end(counts.save)
    return counts


async def _open_answering(ground: Ground) -> Answering:
    model = await ground.span.enter(Model.open(ground.setup.ask, os.environ))
    return Answering(ground.setup.ask, ground.registry, ground.fleet.corpora, ground.gatherer.ask, model)
