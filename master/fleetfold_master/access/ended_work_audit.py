"""Audit entries of ended jobs and transactions, written in the commit of that end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from fleetfold_master.access.audit_log import audit_entry
from fleetfold_master.access.audit_rows import added
from fleetfold_master.store.compiled_statements import Write
from fleetfold_shared.messages import AuditOutcome, JobState, Outcome, TransactionState

__all__ = ["AuditedJob", "AuditedStep", "AuditedTransaction", "job_ended", "transaction_ended"]

JOB_ENDS, TRANSACTION_ENDS = "jobs.end", "transactions.end"


class AuditedJob(Protocol):
    """The fields used of a job that ends."""

    @property
    def id(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def created_at(self) -> float: ...


class AuditedTransaction(Protocol):
    """The fields used of a transaction that ends."""

    @property
    def id(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def created_at(self) -> float: ...
    @property
    def state(self) -> TransactionState: ...


class AuditedStep(Protocol):
    """The fields used of its steps."""

    @property
    def node(self) -> str: ...


def job_ended(
    job: AuditedJob, state: JobState, outcomes: Mapping[str, Outcome], now: float, role: str = ""
) -> Sequence[Write]:
    """The entry of a job that ended with these `outcomes` of its nodes. The reason only counts them, because an
    error's text may repeat parameters."""
    entry = audit_entry(
        now, job.caller, JOB_ENDS, "ok" if state == "ok" else "failed", role=role, node=",".join(outcomes),
        target=f"{job.action} {job.id}", ms=_since(job.created_at, now),
        reason="" if state == "ok" else f"{state}: {_counted(outcomes)}",
    )  # fmt: skip
    return [added([entry])]


def transaction_ended(tx: AuditedTransaction, steps: Sequence[AuditedStep], now: float) -> Sequence[Write]:
    """The entry of a transaction that was committed, rolled back or parked."""
    outcome: AuditOutcome = "ok" if tx.state == "committed" else "failed"
    entry = audit_entry(
        now, tx.caller, TRANSACTION_ENDS, outcome, role=tx.role,
        node=",".join(dict.fromkeys(step.node for step in steps)), target=tx.id,
        reason="" if outcome == "ok" else tx.state, ms=_since(tx.created_at, now),
    )  # fmt: skip
    return [added([entry])]


def _counted(outcomes: Mapping[str, Outcome]) -> str:
    return ", ".join(f"{number} {each}" for each, number in sorted(Counter(outcomes.values()).items()))


def _since(at: float, now: float) -> float:
    return round((now - at) * 1000, 3)
