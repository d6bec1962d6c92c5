"""Wiring of the engines: jobs, transactions, their cancellations and restoration, the outbox and the query cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import make_url

from fleetfold_broker.identity.message_seals import is_marked
from fleetfold_master.access.ended_work_audit import job_ended, transaction_ended
from fleetfold_master.api import CommandPublisher
from fleetfold_master.dead_letters import dead_letter_of_delivery
from fleetfold_master.jobs import Cancellations, JobOptions, Jobs
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.nodes import CommandHealth, DeclaredLimits
from fleetfold_master.outbox import Outbox
from fleetfold_master.recovery import HeldTransactions, Recall, Restoration
from fleetfold_master.runtime.infrastructure import Infrastructure
from fleetfold_master.search import Cache
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.transactions import TransactionOptions, Transactions
from fleetfold_shared.messages import Job
from fleetfold_shared.restored_marker import MARKER

__all__ = ["Engines", "open_engines"]


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of one lifetime."""

    jobs: Jobs
    transactions: Transactions
    cancellations: Cancellations
    outbox: Outbox
    cache: Cache
    restoration: Restoration


async def open_engines(infra: Infrastructure) -> Engines:
    """Open the engines. Work that was in progress when the last master ended is resumed later: see `resume_work`."""
    health = CommandHealth(infra.registry)
    cancellations = Cancellations(infra.topology, infra.gateway.stop_commands, health, infra.clock)
    setup, publish, dead_letters = infra.setup, infra.events.publish, infra.dead_letters
    outbox = await infra.lifetime.enter(
        Outbox.open(infra.store, infra.clock, setup.callbacks, setup.keys, dead_letter_of_delivery, publish)
    )
    restoration, owner = _restoration(infra), infra.membership.id
    sender = CommandPublisher(
        infra.bus, infra.seals, infra.setup.limits,
        lambda node: restoration.refuses(node) or infra.registry.refuses_ledger(node), lambda: infra.membership.mark,
    )  # fmt: skip
    job_options = JobOptions(
        at_end=partial(_job_ended, outbox), at_late_end=_job_ended_late, dead_letters_for=dead_letters.of_task,
        slots_of=DeclaredLimits(infra.registry, infra.clock), share_of=infra.membership.share_of, owner=owner,
        publish=publish, refuses=infra.replaced.refuses,
    )  # fmt: skip
    transaction_options = TransactionOptions(
        at_end=outbox.transaction_ended, audited=transaction_ended, owner=owner, publish=publish,
        refuses=infra.replaced.refuses, release=restoration.release,
        on_unknown=restoration.suspect,
    )  # fmt: skip
    jobs = Jobs(infra.store, sender, infra.clock, health, job_options, cancellations=cancellations)
    transactions = Transactions(
        infra.store, sender, infra.clock, health, infra.registry.find, transaction_options, cancellations=cancellations
    )
    for part in (jobs, transactions, cancellations):
        infra.lifetime.on_close(part.close)
    await infra.gateway.ensure()
    return Engines(jobs, transactions, cancellations, outbox, await _open_cache(infra), restoration)


def _restoration(infra: Infrastructure) -> Restoration:
    setup, membership = infra.setup, infra.membership
    recall = Recall(infra.store, infra.gateway.ask_ledger, partial(is_marked, infra.seals))
    file = make_url(setup.database).database if setup.database.startswith("sqlite") else None
    return Restoration(
        infra.store, infra.clock, infra.registry, recall, HeldTransactions(infra.store, membership.id),
        membership, (Path(file).parent if file else setup.data) / MARKER, declared=setup.restored,
    )  # fmt: skip


async def _open_cache(infra: Infrastructure) -> Cache:
    cache = Cache(infra.store, infra.clock, infra.setup.search, infra.invalidation.announce)
    await cache.load()
    infra.lifetime.on_close(cache.close)
    return cache


def _job_ended(outbox: Outbox, job: RunningJob, now: float) -> Sequence[Write]:
    audited = job_ended(job, job.verdict(), job.outcomes(), now, job.role)
    return [*outbox.job_ended(job, now), *audited]


def _job_ended_late(job: Job, now: float) -> Sequence[Write]:
    return job_ended(job, job.state, {node.node: node.outcome for node in job.nodes if node.outcome is not None}, now)
