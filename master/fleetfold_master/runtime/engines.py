"""Wiring of the engines: jobs, transactions, cancellations, dead letters and the outbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from fleetfold_broker.jetstream.pull_consumer import PullConsumer
from fleetfold_broker.jetstream.topology import GIVEN_UP, MASTERS, RESULTS
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_master.access.ended_work import job_ended, transaction_ended
from fleetfold_master.api import CommandPublisher, subscribe_to_progress
from fleetfold_master.cluster import ClusterPeers, Peers
from fleetfold_master.dead_letters import DeadLetters
from fleetfold_master.jobs import Cancellations, Jobs
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.nodes import CommandHealth, DeclaredLimits
from fleetfold_master.nodes.result_pipeline import result_pipeline
from fleetfold_master.outbox import Outbox
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.infrastructure import Infrastructure
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.transactions import Transactions
from fleetfold_shared.messages import Job

__all__ = ["Engines", "drive", "open_engines"]


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of one lifetime."""

    jobs: Jobs
    transactions: Transactions
    withdrawals: Cancellations
    dead_letters: DeadLetters
    outbox: Outbox


async def open_engines(infra: Infrastructure) -> Engines:
    """Open the engines. Work that was in progress when the last master ended is resumed."""
    health = CommandHealth(infra.registry)
    withdrawals = Cancellations(infra.topology, infra.fleet.stop_commands, health, infra.clock)
    dead_letters = DeadLetters(infra.store, infra.clock, by=infra.membership.id)
    infra.fleet.before_removal = dead_letters.of_removed_node
    setup = infra.setup
    outbox = await infra.lifetime.enter(Outbox.open(infra.store, infra.clock, setup.callbacks, setup.keys))
    outbox.on_given_up(dead_letters.of_delivery)
    sender, owner = CommandPublisher(infra.bus, infra.seals, infra.setup.limits), infra.membership.id
    jobs = Jobs(
        infra.store, sender, infra.clock, health, at_end=partial(_job_ended, outbox),
        at_late_end=_job_ended_late, withdrawals=withdrawals,
        slots_of=DeclaredLimits(infra.registry, infra.clock), dead_letters_for=dead_letters.of_task, owner=owner,
        share_of=infra.membership.share_of,
    )  # fmt: skip
    transactions = Transactions(
        infra.store, sender, infra.clock, health, infra.registry.find, at_end=outbox.transaction_ended,
        withdrawals=withdrawals, owner=owner, audited=transaction_ended,
    )  # fmt: skip
    for part in (jobs, transactions, withdrawals):
        infra.lifetime.on_close(part.close)
    await infra.fleet.ensure()
    await jobs.recover()
    await transactions.recover()
    return Engines(jobs, transactions, withdrawals, dead_letters, outbox)


def _job_ended(outbox: Outbox, job: RunningJob, now: float) -> Sequence[Write]:
    audited = job_ended(job, job.verdict(), job.outcomes(), now, job.role)
    return [*outbox.job_ended(job, now), *audited]


def _job_ended_late(job: Job, now: float) -> Sequence[Write]:
    return job_ended(job, job.state, {node.node: node.outcome for node in job.nodes if node.outcome is not None}, now)


async def drive(infra: Infrastructure, auth: Auth, engines: Engines) -> ClusterPeers:
    """Join the peers and start consuming the nodes' results. Returns the cluster wiring."""
    await infra.gatherer.start()
    cluster = await _open_cluster(infra, auth, engines)
    cluster.results.told = engines.dead_letters.of_step
    await infra.fleet.call_the_roll()
    engines.withdrawals.start()
    await subscribe_to_progress(infra.bus, infra.inflow, engines.jobs.on_progress)
    results = result_pipeline(infra.inflow, infra.setup.redact, infra.fleet.learn, cluster.results.take)
    subjects = infra.bus.subjects
    await _consume(infra, RESULTS, "result", results, lambda subject: subjects.token(subject, 1))
    await _consume(infra, GIVEN_UP, "advisory", partial(_bury_given_up, engines.dead_letters))
    return cluster


async def _open_cluster(infra: Infrastructure, auth: Auth, engines: Engines) -> ClusterPeers:
    cluster = ClusterPeers(Peers(infra.bus, infra.membership), infra.fleet, engines.jobs, engines.transactions)
    if auth.cut_off is not None:
        cluster.cut_off = auth.cut_off
    infra.lifetime.on_close(cluster.stop)
    await cluster.start()
    infra.membership.on_taken = cluster.drive_on
    return cluster


async def _bury_given_up(dead_letters: DeadLetters, call: Call) -> None:
    await dead_letters.of_advisory(call.subject, call.body)


async def _consume(
    infra: Infrastructure, stream: str, verb: str, handler: Handler, caller: Callable[[str], str] | None = None
) -> None:
    pull = PullConsumer(infra.bus, stream, MASTERS, handler, verb=verb, caller=caller)
    await pull.start()
    infra.lifetime.on_close_within_grace(pull.stop)
