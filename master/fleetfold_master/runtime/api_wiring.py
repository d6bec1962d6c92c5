"""The desk: all that callers may ask of a master, and what it needs to answer them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fleetfold_broker.rpc.admission import AdmissionControl
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_master.answering import Answering, Model
from fleetfold_master.api import (
    AccessVerbs,
    ApiServer,
    CacheVerbs,
    DeadLetterVerbs,
    DefinitionVerbs,
    Discovery,
    EvaluationVerbs,
    Guard,
    JobVerbs,
    MasterVerbs,
    RunAs,
    RunVerbs,
    ScheduleVerbs,
    TransactionVerbs,
    VerbGroups,
)
from fleetfold_master.cluster import ClusterPeers, MemberList
from fleetfold_master.definitions import Definitions
from fleetfold_master.evaluation import Evaluation, Judgements, SearchStatistics
from fleetfold_master.jobs import Bulk
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.engines import Engines
from fleetfold_master.runtime.infrastructure import Infrastructure
from fleetfold_master.schedules import Schedules
from fleetfold_master.search import Cache, Federation
from fleetfold_shared import __version__

__all__ = ["ApiWiring", "open_api", "serve"]


@dataclass(frozen=True, slots=True)
class ApiWiring:
    """What others need of it, by name."""

    api: ApiServer
    guard: Guard
    federation: Federation
    cache: Cache
    counts: SearchStatistics
    schedules: Schedules


async def open_api(ground: Infrastructure, door: Auth, work: Engines, together: ClusterPeers) -> ApiWiring:
    """All the verbs; nobody is answered yet."""
    cache = await _open_cache(ground)
    together.share(ground.registry, door.access, cache)
    federation = _federation(ground, cache)
    access = door.access
    guard = Guard(access.authority, access.limits, access.audit, access.doorkeeper.where, ground.clock)
    guard.route = together.forwarding.route
    access.authority.look_again = together.sharing.look_again
    access_api = AccessVerbs(access, ground.registry, ground.fleet, guard.refusals, door.drop, ground.fleet.answers)
    ground.span.at_end(access_api.close)
    counts = _open_counts(ground)
    measuring = Evaluation(ground.store, federation.search, ground.clock)
    quality = EvaluationVerbs(
        Judgements(ground.store, ground.clock), counts, measuring, ground.registry, ground.fleet.holds
    )
    answering = await _open_answering(ground)
    definitions = Definitions(ground.store, ground.clock, ground.registry.find)
    starting = RunAs(access.authority, access.audit)
    schedules = Schedules(ground.store, ground.clock, starting.begin)
    bulk = Bulk(ground.store, work.jobs)
    others = (
        RunVerbs(ground.registry, work.jobs, bulk, guard.refusals, ground.clock, work.outbox.check),
        JobVerbs(work.jobs), DefinitionVerbs(definitions), ScheduleVerbs(schedules, access.authority, starting),
        DeadLetterVerbs(work.letters, starting, work.outbox.retry),
        MasterVerbs(MemberList(ground.store, ground.membership).call),
    )  # fmt: skip
    tx_api = TransactionVerbs(work.transactions, definitions, work.outbox.check)
    rooms = VerbGroups(access_api, tx_api, CacheVerbs(cache, federation), quality, answering, others)
    api = ApiServer(
        ground.bus, ground.registry, ground.presence, ground.fleet, federation, work.jobs, ground.gatherer, guard, rooms
    )
    starting.serve(api.verbs())
    return ApiWiring(api, guard, federation, cache, counts, schedules)


async def serve(ground: Infrastructure, door: Auth, desk: ApiWiring) -> None:
    """Answer nodes and callers. Returns when the broker knows that this master does."""
    places = AdmissionControl(ground.setup.limits)
    service = RequestServer(
        ground.bus, "fleetfold", version=__version__, description="the masters of a fleet", places=places
    )
    ground.span.at_end_gracefully(service.stop)
    ground.span.at_end(ground.fleet.corpora.stop)
    ground.span.at_end_stand_still()
    ground.span.at_end(ground.fleet.stop)
    await ground.fleet.start()
    await door.access.start(service)
    await desk.api.start(service)
    await _discovery(ground, door, service).start()
    await ground.bus.link.barrier()


def _discovery(ground: Infrastructure, door: Auth, service: RequestServer) -> Discovery:
    membership = ground.membership
    discovery = Discovery(
        ground.bus, ground.gatherer, service.introspection, door.access.authority, door.access.limits,
        lambda: [node.name for node in ground.registry.all()], lambda: (membership.id, *membership.others),
        identified=not ground.setup.access.insecure,
    )  # fmt: skip
    ground.span.at_end(discovery.stop)
    return discovery


async def _open_cache(ground: Infrastructure) -> Cache:
    cache = Cache(ground.store, ground.clock, ground.setup.search)
    await cache.load()
    ground.span.at_end(cache.close)
    return cache


def _federation(ground: Infrastructure, cache: Cache) -> Federation:
    return Federation(
        ground.registry, ground.presence, ground.fleet.corpora, ground.gatherer.round,
        max_parallel=ground.setup.search.max_parallel or None, cache=cache, told=ground.fleet.epochs,
        own=ground.setup.own,
    )  # fmt: skip


def _open_counts(ground: Infrastructure) -> SearchStatistics:
    counts = SearchStatistics(ground.store, ground.clock, ground.setup.search.quality_days)
    ground.span.at_end(counts.save)
    return counts


async def _open_answering(ground: Infrastructure) -> Answering:
    model = await ground.span.enter(Model.open(ground.setup.ask, os.environ))
    return Answering(ground.setup.ask, ground.registry, ground.fleet.corpora, ground.gatherer.ask, model)
