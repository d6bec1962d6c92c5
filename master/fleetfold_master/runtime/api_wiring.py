"""Wiring of the API: the verbs' handlers, and the services that they call."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fleetfold_broker.rpc.admission import AdmissionControl
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_master.answering import Answering, Model
from fleetfold_master.api import (
    AccessPolicy,
    AccessVerbs,
    ActionVerbs,
    ApiServer,
    CacheVerbs,
    DeadLetterVerbs,
    DefinitionVerbs,
    DeniedRequests,
    Disconnection,
    Discovery,
    EvaluationVerbs,
    JobVerbs,
    KeyVerbs,
    MasterVerbs,
    NodeAccessVerbs,
    NodeVerbs,
    RunAs,
    ScheduleVerbs,
    SearchVerbs,
    TransactionVerbs,
    api_interceptors,
    bind,
)
from fleetfold_master.api.binding import VerbGroup
from fleetfold_master.cluster import ClusterPeers, MemberList, Surroundings
from fleetfold_master.cluster.owner_routing import OwnerRouting
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
    """The parts that later wiring steps need."""

    api: ApiServer
    routing: OwnerRouting
    denied: DeniedRequests
    federation: Federation
    cache: Cache
    counts: SearchStatistics
    schedules: Schedules
    surroundings: Surroundings


async def open_api(infra: Infrastructure, auth: Auth, engines: Engines, cluster: ClusterPeers) -> ApiWiring:
    """Build the handlers of all verbs, and the pipeline before them. Nothing is served yet: see `serve`."""
    access = auth.access
    cache = await _open_cache(infra)
    cluster.share(infra.registry, access, cache)
    access.authority.look_again = cluster.sharing.look_again
    denied = DeniedRequests(access.audit, access.doorkeeper.where, infra.clock)
    policy = AccessPolicy(access.authority, access.limits, access.audit, denied, access.doorkeeper.where, infra.clock)
    surroundings = Surroundings(infra.setup.data, infra.store, auth.broker)
    federation, counts = _federation(infra, cache), _open_counts(infra)
    definitions = Definitions(infra.store, infra.clock, infra.registry.find)
    bulk = Bulk(infra.store, engines.jobs)
    actions = ActionVerbs(infra.registry, engines.jobs, bulk, denied, infra.clock, engines.outbox.check)
    transactions = TransactionVerbs(engines.transactions, definitions, engines.outbox.check)
    run_as = RunAs(access.authority, access.audit, (actions, transactions))
    schedules = Schedules(infra.store, infra.clock, run_as.begin)
    bindings = bind((
        *_about_nodes(infra, auth, engines),
        SearchVerbs(infra.registry, federation, await _open_answering(infra), cache.popular, counts),
        CacheVerbs(cache, federation), _evaluation(infra, federation, counts),
        actions, JobVerbs(engines.jobs, bulk), transactions, DefinitionVerbs(definitions),
        ScheduleVerbs(schedules, access.authority, run_as),
        DeadLetterVerbs(engines.dead_letters, run_as, engines.outbox.retry),
        AccessVerbs(access, denied), MasterVerbs(MemberList(infra.store, infra.membership, surroundings).call),
    ))  # fmt: skip
    routing = cluster.owner_routing(bindings)
    api = ApiServer(infra.bus.subjects, bindings, api_interceptors(policy, bindings, routing))
    return ApiWiring(api, routing, denied, federation, cache, counts, schedules, surroundings)


async def serve(infra: Infrastructure, auth: Auth, wiring: ApiWiring) -> None:
    """Serve nodes and callers. Returns when the broker has confirmed the subscriptions."""
    places = AdmissionControl(infra.setup.limits)
    service = RequestServer(
        infra.bus, "fleetfold", version=__version__, description="the masters of a fleet", places=places
    )
    infra.lifetime.on_close_within_grace(service.stop)
    infra.lifetime.on_close(infra.fleet.corpora.stop)
    infra.lifetime.on_close_stop_tasks()
    infra.lifetime.on_close(infra.fleet.stop)
    await infra.fleet.start()
    await auth.access.start(service)
    await wiring.routing.start()
    await wiring.api.start(service)
    await _discovery(infra, auth, service).start()
    await infra.bus.link.barrier()


def _discovery(infra: Infrastructure, auth: Auth, service: RequestServer) -> Discovery:
    membership = infra.membership
    discovery = Discovery(
        infra.bus, infra.gatherer, service.introspection, auth.access.authority, auth.access.limits,
        lambda: [node.name for node in infra.registry.all()], lambda: (membership.id, *membership.others),
        identified=not infra.setup.access.insecure,
    )  # fmt: skip
    infra.lifetime.on_close(discovery.stop)
    return discovery


def _about_nodes(infra: Infrastructure, auth: Auth, engines: Engines) -> tuple[VerbGroup, ...]:
    """The handlers of the verbs about nodes and credentials, which may disconnect an identity."""
    access, disconnection = auth.access, Disconnection(auth.access, auth.drop)
    infra.lifetime.on_close(disconnection.close)
    return (
        NodeVerbs(
            infra.registry, infra.presence, infra.fleet, infra.gatherer, disconnection, access.sessions.granted,
            engines.transactions.open_on,
        ),
        NodeAccessVerbs(access, infra.registry, infra.fleet, disconnection, infra.fleet.answers),
        KeyVerbs(access, disconnection),
    )  # fmt: skip


def _evaluation(infra: Infrastructure, federation: Federation, counts: SearchStatistics) -> EvaluationVerbs:
    return EvaluationVerbs(
        Judgements(infra.store, infra.clock), counts, Evaluation(infra.store, federation.search, infra.clock),
        infra.registry, infra.fleet.holds,
    )  # fmt: skip


async def _open_cache(infra: Infrastructure) -> Cache:
    cache = Cache(infra.store, infra.clock, infra.setup.search)
    await cache.load()
    infra.lifetime.on_close(cache.close)
    return cache


def _federation(infra: Infrastructure, cache: Cache) -> Federation:
    return Federation(
        infra.registry, infra.presence, infra.fleet.corpora, infra.gatherer.round,
        max_parallel=infra.setup.search.max_parallel or None, cache=cache, told=infra.fleet.epochs,
        own=infra.setup.own,
    )  # fmt: skip


def _open_counts(infra: Infrastructure) -> SearchStatistics:
    counts = SearchStatistics(infra.store, infra.clock, infra.setup.search.quality_days)
    infra.lifetime.on_close(counts.save)
    return counts


async def _open_answering(infra: Infrastructure) -> Answering:
    model = await infra.lifetime.enter(Model.open(infra.setup.ask, os.environ))
    return Answering(infra.setup.ask, infra.registry, infra.fleet.corpora, infra.gatherer.ask, model)
