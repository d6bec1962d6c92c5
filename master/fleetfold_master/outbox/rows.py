"""Rows of deliveries: the writes that change them, and the reads that load them.

A claim counts one more try and postpones the row by the time limit of a try. So two masters never try at once, and
what a dead master had claimed becomes due again by itself. The end of a try is only written while its claim is
held.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import RowMapping, bindparam, delete, select, update

from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.outbox_tables import outbox
from fleetfold_master.webhooks.model import Delivery

__all__ = ["abandoned", "added", "again", "claimed", "dropped", "put_off", "read_abandoned", "read_due", "sent"]

_ADD = insert_once(outbox)
_HELD = (outbox.c.id == bindparam("key"), outbox.c.tries == bindparam("seen"), outbox.c.due_at.is_not(None))
_CLAIM = update(outbox).where(*_HELD).values(tries=outbox.c.tries + 1, due_at=bindparam("until"))
_SENT = delete(outbox).where(*_HELD)
_PUT_OFF = update(outbox).where(*_HELD).values(due_at=bindparam("at"), error=bindparam("why"))
_GIVEN_UP = (outbox.c.id == bindparam("key"), outbox.c.due_at.is_(None))
_AGAIN = update(outbox).where(*_GIVEN_UP).values(due_at=bindparam("at"), tries=0)
_DROP = delete(outbox).where(*_GIVEN_UP)


def added(deliveries: Sequence[Delivery]) -> Write:
    """Insert deliveries; an end that already has its delivery keeps it."""
    return Write(_ADD, [msgspec.structs.asdict(delivery) for delivery in deliveries])


def claimed(delivery: Delivery, until: float) -> Write:
    """Claim; matches one row if no other master has claimed it since it was read, and holds until then."""
    return Write(_CLAIM, [{"key": delivery.id, "seen": delivery.tries, "until": until}])


def sent(delivery: Delivery) -> Write:
    """Delete: it has arrived."""
    return Write(_SENT, [{"key": delivery.id, "seen": delivery.tries}])


def put_off(delivery: Delivery, at: float, why: str) -> Write:
    """Postpone the next try to `at`."""
    return Write(_PUT_OFF, [_ending(delivery, at, why)])


def abandoned(delivery: Delivery, why: str) -> Write:
    """Abandon: there is no next try."""
    return Write(_PUT_OFF, [_ending(delivery, None, why)])


def again(key: str, at: float) -> Write:
    """Reset the tries of an abandoned delivery."""
    return Write(_AGAIN, [{"key": key, "at": at}])


def dropped(key: str) -> Write:
    """Delete an abandoned delivery."""
    return Write(_DROP, [{"key": key}])


async def read_due(store: Store, now: float, without: Collection[str], limit: int) -> list[Delivery]:
    """The first `limit` that are due, longest waiting first, except for the places in `without`."""
    due = select(outbox).where(outbox.c.due_at <= now, outbox.c.place.not_in(list(without)))
    return [_delivery(row) for row in await store.read(due.order_by(outbox.c.due_at).limit(limit))]


async def read_abandoned(store: Store, limit: int) -> list[Delivery]:
    """The newest `limit` that are abandoned."""
    found = select(outbox).where(outbox.c.due_at.is_(None)).order_by(outbox.c.created_at.desc(), outbox.c.id.desc())
    return [_delivery(row) for row in await store.read(found.limit(limit))]


def _ending(delivery: Delivery, at: float | None, why: str) -> dict[str, Any]:
    return {"key": delivery.id, "seen": delivery.tries, "at": at, "why": why}


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**row)
