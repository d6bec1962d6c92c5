"""The work of a master: jobs and transactions, what they send and stop, and what remains of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fleetfold_broker.jetstream.pull_consumer import Handler, PullConsumer
from fleetfold_broker.jetstream.topology import GIVEN_UP, MASTERS, RESULTS
from fleetfold_master.access.ended_work import job_ended, transaction_ended
from fleetfold_master.api import CommandPublisher, hear_progress
from fleetfold_master.cluster import ClusterPeers, Peers
from fleetfold_master.dead_letters import DeadLetters
from fleetfold_master.jobs import Cancellations, Jobs
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.nodes import CommandHealth, DeclaredLimits
from fleetfold_master.outbox import Outbox
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.infrastructure import Infrastructure
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.transactions import Transactions
from fleetfold_shared.messages import Job

__all__ = ["Engines", "drive", "open_engines_of_work"]


@dataclass(frozen=True, slots=True)
class Engines:
    """The parts by name."""

    jobs: Jobs
    transactions: Transactions
    withdrawals: Cancellations
    letters: DeadLetters
    outbox: Outbox


async def open_engines_of_work(ground: Infrastructure) -> Engines:
    """What was under way when the last master ended goes on."""
    health = CommandHealth(ground.registry)
    withdrawals = Cancellations(ground.topology, ground.fleet.stop_commands, health, ground.clock)
    letters = DeadLetters(ground.store, ground.clock, by=ground.membership.id)
    ground.fleet.before_removal = letters.of_removed_node
    setup = ground.setup
    outbox = await ground.span.enter(Outbox.open(ground.store, ground.clock, setup.callbacks, setup.keys))
    outbox.on_given_up(letters.of_delivery)
    sender, owner = CommandPublisher(ground.bus, ground.seals, ground.setup.limits), ground.membership.id
    jobs = Jobs(
        ground.store, sender, ground.clock, health, at_end=partial(_job_ended, outbox),
        at_late_end=_job_ended_late, withdrawals=withdrawals,
        slots_of=DeclaredLimits(ground.registry, ground.clock), letters_for=letters.of_task, owner=owner,
        share_of=ground.membership.share_of,
    )  # fmt: skip
    transactions = Transactions(
        ground.store, sender, ground.clock, health, ground.registry.find, at_end=outbox.transaction_ended,
        withdrawals=withdrawals, owner=owner, audited=transaction_ended,
    )  # fmt: skip
    for part in (jobs, transactions, withdrawals):
        ground.span.at_end(part.close)
    await ground.fleet.ensure()
    await jobs.recover()
    await transactions.recover()
    return Engines(jobs, transactions, withdrawals, letters, outbox)


def _job_ended(outbox: Outbox, job: RunningJob, now: float) -> Sequence[Write]:
    audited = job_ended(job, job.verdict(), job.outcomes(), now, job.role)
    return [*outbox.job_ended(job, now), *audited]


def _job_ended_late(job: Job, now: float) -> Sequence[Write]:
    return job_ended(job, job.state, {node.node: node.outcome for node in job.nodes if node.outcome is not None}, now)


async def drive(ground: Infrastructure, door: Auth, work: Engines) -> ClusterPeers:
    """Drive it on, together with the other masters; from now on the nodes' answers are taken."""
    await ground.gatherer.start()
    together = await _join_the_others(ground, door, work)
    together.results.told = work.letters.of_step
    await ground.fleet.call_the_roll()
    work.withdrawals.start()
    await hear_progress(ground.bus, ground.inflow, work.jobs.on_progress)
    await _take(ground, RESULTS, ground.fleet.results(together.results.take))
    await _take(ground, GIVEN_UP, work.letters.of_advisory)
    return together


async def _join_the_others(ground: Infrastructure, door: Auth, work: Engines) -> ClusterPeers:
    together = ClusterPeers(Peers(ground.bus, ground.membership), ground.fleet, work.jobs, work.transactions)
    if door.cut_off is not None:
        together.cut_off = door.cut_off
    ground.span.at_end(together.stop)
    await together.start()
    ground.membership.on_taken = together.drive_on
    return together


async def _take(ground: Infrastructure, stream: str, handler: Handler) -> None:
    pull = PullConsumer(ground.bus, stream, MASTERS, handler)
    await pull.start()
    ground.span.at_end_gracefully(pull.stop)
