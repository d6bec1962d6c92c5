"""The deliveries written with the end of a job or transaction."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Protocol

from fleetfold_master.outbox.rows import added
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.transactions.model import Tx
from fleetfold_master.webhooks.destinations import place_of
from fleetfold_master.webhooks.model import Delivery
from fleetfold_shared.ids import MASTER, new_id
from fleetfold_shared.messages import Callback, EndType

__all__ = ["EndedJob", "job_ended", "transaction_ended"]

PARKED: Final = "transaction.parked"
_TYPES: dict[str, EndType] = {
    "committed": "transaction.committed", "rolled_back": "transaction.rolled_back", "parked": PARKED,
}  # fmt: skip


class EndedJob(Protocol):
    """The fields used of a job that ends."""

    @property
    def id(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def created_at(self) -> float: ...
    @property
    def callback(self) -> Callback | None: ...


def job_ended(job: EndedJob, now: float) -> Sequence[Write]:
    """The job's callback, if it has one."""
    if job.callback is None:
        return ()
    mark = _mark("job", job.id, job.created_at)
    return [added([_called_back(job.callback, mark, "job.ended", job.id, job.caller, now)])]


def transaction_ended(tx: Tx, now: float) -> Sequence[Write]:
    """The transaction's callback, if it has one, and an alert if it is parked."""
    deliveries = []
    if tx.callback is not None:
        mark = _mark("tx", tx.id, tx.created_at, tx.entries)
        deliveries.append(_called_back(tx.callback, mark, _TYPES[tx.state], tx.id, tx.caller, now))
    if tx.state == "parked":
        deliveries.append(_alert(tx, now))
    return [added(deliveries)] if deliveries else ()


def _called_back(callback: Callback, mark: str, what: EndType, record: str, caller: str, now: float) -> Delivery:
    return Delivery(
        id=new_id(), mark=mark, type=what, record=record, name=caller, subject=callback.type, url=callback.url,
        place=place_of(callback.url), created_at=now, due_at=now,
    )  # fmt: skip


def _alert(tx: Tx, now: float) -> Delivery:
    return Delivery(
        id=new_id(), mark=_mark("alert", tx.id, tx.created_at, tx.entries), type=PARKED, record=tx.id, name=MASTER,
        subject=PARKED, place="", created_at=now, due_at=now,
    )  # fmt: skip


def _mark(*end: object) -> str:
    """The same for the same end, however often it is written."""
    return b32encode(sha256(repr(end).encode()).digest()[:16]).decode().rstrip("=").lower()
