"""Rendering of a delivery: the record as committed, the body of a webhook, or an alert."""

from __future__ import annotations

from datetime import UTC, datetime

from fleetfold_master.answer_budget import fit_job, fit_transaction
from fleetfold_master.jobs import job_reads
from fleetfold_master.store.database import Store
from fleetfold_master.transactions import rows as transaction_rows
from fleetfold_master.transactions.transaction_view import view_of
from fleetfold_master.webhooks.model import Delivery, NotDelivered
from fleetfold_shared.errors import NotFound
from fleetfold_shared.ids import MASTER
from fleetfold_shared.messages import Alert, Job, Message, TransactionView, WebhookBody

__all__ = ["event_of", "webhook_of"]


async def event_of(store: Store, delivery: Delivery) -> Message:
    """The event: a job, a transaction, or an alert of the masters. Raises `NotFound` if it was deleted by retention."""
    record = await _record(store, delivery)
    if delivery.name == MASTER and isinstance(record, TransactionView):
        return _alert(record, delivery.created_at)
    return record


async def webhook_of(store: Store, delivery: Delivery) -> Message:
    """The same within the body that Standard Webhooks specifies."""
    at = datetime.fromtimestamp(delivery.created_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return WebhookBody(type=delivery.type, timestamp=at, data=await _record(store, delivery))


async def _record(store: Store, delivery: Delivery) -> Job | TransactionView:
    """Read the record from the database, which may be ahead of memory."""
    if delivery.type == "job.ended":
        for job in await job_reads.read_jobs(store, key=delivery.record):
            if job.ended_at is None:
                raise NotDelivered("it has not ended after all: a write beside that of its end has failed")
            return fit_job(job)
    elif (loaded := await transaction_rows.load(store, delivery.record)) is not None:
        return fit_transaction(view_of(*loaded))
    raise NotFound(f"{delivery.record}: it is not kept any more")


def _alert(view: TransactionView, at: float) -> Alert:
    stuck = [f"{step.name}: {step.error or 'no reason given'}" for step in view.steps if step.state == "parked"]
    why = "; ".join(stuck) or view.error or "an operator has seen to it"
    return Alert(
        kind="transaction.parked", id=view.id, name=view.name, caller=view.caller, at=at, why=why,
        to_do=f"fleetfold tx show {view.id}",
    )  # fmt: skip
