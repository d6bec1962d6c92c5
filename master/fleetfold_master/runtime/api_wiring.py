"""Wiring of the API: the verbs' handlers, and the services that they call."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fleetfold_broker.rpc.admission import AdmissionControl
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.requests_in_progress import serve_directly
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
    RecoveryVerbs,
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
from fleetfold_master.jobs import BulkReads
from fleetfold_master.nodes import Breakers, RequestHealth
from fleetfold_master.recovery import LedgerReconciliation, SettledCommands
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.engines import Engines
from fleetfold_master.runtime.infrastructure import Infrastructure
from fleetfold_master.schedules import Schedules
from fleetfold_master.search import (
    Cache,
    Federation,
    LateAnswers,
    Planner,
    ReplicaSelector,
    Scatter,
    SearchableFleet,
    ShardClient,
)
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
    access, cache = auth.access, engines.cache
    denied = DeniedRequests(access.audit, access.authenticator.where, infra.clock)
    policy = AccessPolicy(
        access.authorizer, access.limits, access.audit, denied, access.authenticator.where, infra.clock
    )
    restoration = engines.restoration
    surroundings = Surroundings(infra.setup.data, infra.store, auth.broker, lambda: restoration.old)
    federation, counts = _federation(infra, cache), _open_counts(infra)
    definitions = Definitions(infra.store, infra.clock, infra.registry.find)
    bulk = BulkReads(infra.store, engines.jobs)
    actions = ActionVerbs(infra.registry, engines.jobs, bulk, denied, infra.clock, engines.outbox.check)
    transactions = TransactionVerbs(engines.transactions, definitions, engines.outbox.check)
    run_as = RunAs(access.authorizer, access.audit, (actions, transactions))
    schedules = Schedules(infra.store, infra.clock, run_as.begin)
    bindings = bind((
        *_about_nodes(infra, auth, engines),
        SearchVerbs(infra.registry, federation, await _open_answering(infra), cache.popular, counts),
        CacheVerbs(cache, federation), _evaluation(infra, federation, counts),
        actions, JobVerbs(engines.jobs, bulk), transactions, DefinitionVerbs(definitions),
        ScheduleVerbs(schedules, access.authorizer, run_as),
        DeadLetterVerbs(infra.dead_letters, run_as, engines.outbox.retry),
        _recovery(infra, engines),
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
    infra.lifetime.on_close(infra.gateway.term_statistics.stop)
    infra.lifetime.on_close_stop_tasks()
    infra.lifetime.on_close(infra.gateway.stop)
    await infra.gateway.start()
    await auth.access.start(service)
    await wiring.routing.start()
    receivers = await wiring.api.start(service)
    await serve_directly(infra.bus, infra.membership.id, service.held, receivers)
    await _discovery(infra, auth, service).start()
    await infra.bus.connection.barrier()


def _discovery(infra: Infrastructure, auth: Auth, service: RequestServer) -> Discovery:
    membership = infra.membership
    discovery = Discovery(
        infra.bus, infra.scatter, service.introspection, auth.access.authorizer, auth.access.limits,
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
            infra.registry, infra.presence, infra.gateway, infra.scatter, disconnection, access.sessions.granted,
            engines.transactions.open_on,
        ),
        NodeAccessVerbs(access, infra.registry, infra.gateway, disconnection, infra.gateway.answers),
        KeyVerbs(access, disconnection),
    )  # fmt: skip


def _evaluation(infra: Infrastructure, federation: Federation, counts: SearchStatistics) -> EvaluationVerbs:
    return EvaluationVerbs(
        Judgements(infra.store, infra.clock), counts, Evaluation(infra.store, federation.search, infra.clock),
        infra.registry, infra.gateway.holds,
    )  # fmt: skip


def _recovery(infra: Infrastructure, engines: Engines) -> RecoveryVerbs:
    gateway = infra.gateway
    return RecoveryVerbs(
        SettledCommands(infra.store, infra.clock, infra.setup.retention),
        LedgerReconciliation(infra.store, infra.clock, infra.registry, gateway.verdicts, gateway.ledger_accepted),
        engines.restoration,
    )


def _federation(infra: Infrastructure, cache: Cache) -> Federation:
    statistics, own, config = infra.gateway.term_statistics, infra.setup.own, infra.setup.search
    breakers = Breakers(infra.presence.life, publish=infra.events.publish)
    health, late = RequestHealth(infra.presence, breakers), LateAnswers(cache)
    planner = Planner(
        SearchableFleet(infra.registry, own, infra.gateway.epochs), statistics,
        ReplicaSelector(infra.registry, statistics, health), health, max_parallel=config.max_parallel or None,
        caching=cache.enabled,
    )  # fmt: skip
    client = ShardClient(infra.scatter.round, health, infra.registry.collections, late)
    return Federation(planner, Scatter(client, health, own), late, cache)


def _open_counts(infra: Infrastructure) -> SearchStatistics:
    counts = SearchStatistics(infra.store, infra.clock, infra.setup.search.quality_days)
    infra.lifetime.on_close(counts.save)
    return counts


async def _open_answering(infra: Infrastructure) -> Answering:
    model = await infra.lifetime.enter(Model.open(infra.setup.ask, os.environ))
    return Answering(infra.setup.ask, infra.registry, infra.gateway.term_statistics, infra.scatter.ask, model)
