"""Wiring of the cluster, and the start of everything that reaches a master from nodes and from other masters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fleetfold_broker.jetstream.pull_consumer import PullConsumer
from fleetfold_broker.jetstream.topology import ABANDONED, MASTERS, RESULTS
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_master.api import subscribe_to_progress
from fleetfold_master.cluster import ClusterPeers, Takeover, shared_caches
from fleetfold_master.dead_letters import DeadLetters
from fleetfold_master.nodes.result_pipeline import result_pipeline
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.engines import Engines
from fleetfold_master.runtime.infrastructure import Infrastructure

__all__ = ["open_cluster", "resume_work", "start_delivery"]


async def open_cluster(infra: Infrastructure, auth: Auth, engines: Engines) -> ClusterPeers:
    """Serve the other masters."""
    cluster = ClusterPeers(
        infra.peers,
        infra.gateway,
        infra.topology,
        engines.jobs,
        engines.transactions,
        engines.restoration.take_over,
        infra.dead_letters.of_step,
        auth.cut_off,
        infra.replaced.includes,
    )
    infra.lifetime.on_close(infra.peers.stop)  # before the engines: a peer's request may need them
    await infra.epoch_sharing.start(infra.gateway.epochs)
    await cluster.start()
    await infra.invalidation.serve(shared_caches(infra.gateway, auth.access, engines.cache))
    return cluster


async def resume_work(infra: Infrastructure, engines: Engines, cluster: ClusterPeers) -> None:
    """Resume the work of earlier masters, once the nodes were asked whether the database knows all that they know; and
    from now on take over from masters that die."""
    await infra.scatter.start()
    await infra.gateway.ping_known_nodes()
    await engines.restoration.start(engines.transactions)
    await engines.jobs.recover()
    takeover = Takeover(infra.store, infra.clock, infra.membership, cluster.resume)
    infra.lifetime.on_close(takeover.stop)
    takeover.start()


async def start_delivery(infra: Infrastructure, engines: Engines, cluster: ClusterPeers) -> None:
    """Start consuming what the nodes send: replies, progress, results, and the broker's advisories."""
    engines.cancellations.start(engines.jobs.results.withdrawn)
    await subscribe_to_progress(infra.bus, infra.inflow, engines.jobs.results.progress, refuses=infra.replaced.refuses)
    results = result_pipeline(
        infra.inflow,
        infra.setup.redact,
        infra.gateway.learn,
        cluster.results.take,
        engines.restoration.suspect,
        infra.registry.told_with_results,
    )
    subjects = infra.bus.subjects
    await _consume(infra, RESULTS, "result", results, lambda subject: subjects.token(subject, 1))
    await _consume(infra, ABANDONED, "advisory", partial(_store_abandoned, infra.dead_letters))


async def _store_abandoned(dead_letters: DeadLetters, call: Call) -> None:
    await dead_letters.of_advisory(call.subject, call.body)


async def _consume(
    infra: Infrastructure, stream: str, verb: str, handler: Handler, caller: Callable[[str], str] | None = None
) -> None:
    consumer = PullConsumer(infra.bus, stream, MASTERS, handler, verb=verb, caller=caller)
    await consumer.start()
    infra.lifetime.on_close_within_grace(consumer.stop)
