"""Rows of masters: joining, heartbeats, leaving, and taking over the work of a dead master.

Only the master that deletes a dead master's row takes over its work. The deletion requires the heartbeat counter that
was last seen, so a master that came back keeps its work. Each takeover is one database transaction. The new owner is
written here; the epoch of each transaction rises where the transaction is resumed.

The height of each master, raised with its heartbeats, is kept when its row is deleted: see `MasterMark`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from fleetfold_master.store.compiled_statements import Script
from fleetfold_master.store.database import Store
from fleetfold_master.store.master_tables import LEFT, master, master_mark
from fleetfold_master.store.row_helpers import select_by_key
from fleetfold_master.store.tables import job, tx

__all__ = ["Seen", "StoredMaster", "TakenOver", "count_owned", "heartbeat", "join", "leave", "read_all", "take"]

KEPT = 10_000
"""Masters whose marks are kept: one that is forgotten would be taken for one that an old copy lacks."""

_INSERT = insert(master).values({column.key: bindparam(column.key) for column in master.c}).inline()
_HEARTBEAT = update(master).where(master.c.id == bindparam("key")).values(heartbeats=master.c.heartbeats + 1)
_BEGIN = insert(master_mark).values(master=bindparam("me"), height=0).inline()
_RAISE = (
    update(master_mark).where(master_mark.c.master == bindparam("me")).values(height=master_mark.c.height + 1)
    .returning(master_mark.c.height)
)  # fmt: skip
_FORGET = delete(master_mark).where(master_mark.c.seq < select(func.max(master_mark.c.seq)).scalar_subquery() - KEPT)
_LEAVE = update(master).where(master.c.id == bindparam("key")).values(heartbeats=LEFT)
_SEEN = select(master.c.id, master.c.heartbeats).order_by(master.c.id)
_DEAD = delete(master).where(master.c.id == bindparam("key"), master.c.heartbeats == bindparam("seen"))
_GOING_ON = {
    job: job.c.state == "running",
    tx: or_(tx.c.state == "running", tx.c.state == "compensating"),
}
_TAKE = {
    table: update(table).where(going_on, table.c.owner == bindparam("dead")).values(owner=bindparam("me"))
    .returning(table.c.id)
    for table, going_on in _GOING_ON.items()
}  # fmt: skip
_ADOPT = {
    table: update(table).where(going_on, table.c.owner.is_(None)).values(owner=bindparam("me"))
    for table, going_on in _GOING_ON.items()
}
_ALL = select_by_key(master).order_by(master.c.started_at, master.c.id)
_OWNED = {
    table: select(table.c.owner, func.count().label("owned")).where(going_on).group_by(table.c.owner)
    for table, going_on in _GOING_ON.items()
}
_OF_INSTANCE = select(master.c.id, master.c.heartbeats).where(
    or_(master.c.instance_id == bindparam("here"), master.c.heartbeats == bindparam("left"))
)


class StoredMaster(NamedTuple):
    """A master's row. `instance_id` identifies its data directory, which one process uses at a time; `heartbeats`
    are counted."""

    id: str
    instance_id: str
    heartbeats: int
    host: str
    pid: int
    started_at: float


class Seen(NamedTuple):
    """What other masters see of a master."""

    id: str
    heartbeats: int


class TakenOver(NamedTuple):
    """What was taken over from a dead master: the ids of its jobs and transactions."""

    dead: str
    jobs: list[str]
    transactions: list[str]


def join(script: Script, me: StoredMaster) -> None:
    """Insert this master's row, and take over the work of its data directory's last process, of masters that left, and
    unowned work."""
    script.run(_INSERT, **me._asdict())
    script.run(_BEGIN, me=me.id)
    script.run(_FORGET)
    for dead, seen in script.rows(_OF_INSTANCE, here=me.instance_id, left=LEFT):
        if dead != me.id:
            take(script, Seen(dead, seen), me.id)
    for statement in _ADOPT.values():
        script.run(statement, me=me.id)


def heartbeat(script: Script, me: str) -> tuple[int, list[Seen]]:
    """Write a heartbeat. Returns this master's height, and the other masters as of now."""
    script.run(_HEARTBEAT, key=me)
    ((height,),) = script.rows(_RAISE, me=me)
    return height, [Seen(*row) for row in script.rows(_SEEN) if row[0] != me]


def leave(script: Script, me: str) -> None:
    """Delete this master's row; its work becomes unowned."""
    script.run(_LEAVE, key=me)


def take(script: Script, dead: Seen, me: str) -> TakenOver | None:
    """Take over the work of `dead`. Returns None if it is alive after all, or if another master was faster."""
    if script.run(_DEAD, key=dead.id, seen=dead.heartbeats) != 1:
        return None
    jobs, transactions = (_ids(script.rows(_TAKE[table], dead=dead.id, me=me)) for table in (job, tx))
    return TakenOver(dead.id, jobs, transactions)


async def read_all(store: Store) -> list[StoredMaster]:
    """Read all masters, the oldest first."""
    return [StoredMaster(**row) for row in await store.read(_ALL)]


async def count_owned(store: Store) -> tuple[dict[str, int], dict[str, int]]:
    """Count the jobs and the transactions that each master owns; masters that own none are absent."""
    jobs, transactions = [await store.read(_OWNED[table]) for table in (job, tx)]
    return {row["owner"]: row["owned"] for row in jobs}, {row["owner"]: row["owned"] for row in transactions}


def _ids(rows: Iterable[Iterable[str]]) -> list[str]:
    return [key for (key,) in rows]
