"""Masters as rows: taking a place among them, beating, leaving, and taking over what a dead one drove.

Whoever deletes the row of a dead master, and only he, gets its work: the row must still have the beat that was seen,
so one that has come to life again keeps it. All of it is one database transaction. That the work changes hands is
written here; that its epoch rises is written where each transaction is driven on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from fleetfold_master.store.compiled_statements import Script
from fleetfold_master.store.database import Store
from fleetfold_master.store.master_tables import LEFT, master
from fleetfold_master.store.tables import job, tx

__all__ = ["Seen", "StoredMaster", "Taken", "beat", "count_driven", "join", "leave", "read_all", "take"]

_INSERT = insert(master).values({column.name: bindparam(column.name) for column in master.c}).inline()
_BEAT = update(master).where(master.c.id == bindparam("key")).values(beat=master.c.beat + 1)
_LEAVE = update(master).where(master.c.id == bindparam("key")).values(beat=LEFT)
_SEEN = select(master.c.id, master.c.beat).order_by(master.c.id)
_DEAD = delete(master).where(master.c.id == bindparam("key"), master.c.beat == bindparam("seen"))
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
_ALL = select(master).order_by(master.c.started_at, master.c.id)
_DRIVEN = {
    table: select(table.c.owner, func.count().label("driven")).where(going_on).group_by(table.c.owner)
    for table, going_on in _GOING_ON.items()
}
_OF_SEAT = select(master.c.id, master.c.beat).where(
    or_(master.c.seat == bindparam("here"), master.c.beat == bindparam("left"))
)


class StoredMaster(NamedTuple):
    """A master's row. `seat` is its data directory, which one process can have; `beat` counts up while it lives."""

    id: str
    seat: str
    beat: int
    host: str
    pid: int
    started_at: float


class Seen(NamedTuple):
    """What others see of a master."""

    id: str
    beat: int


class Taken(NamedTuple):
    """What was taken over from a dead master: the ids of what goes on."""

    dead: str
    jobs: list[str]
    transactions: list[str]


def join(script: Script, me: StoredMaster) -> None:
    """Take a place, and with it the work of whom this place proves dead, of those that have left, and of nobody."""
    script.run(_INSERT, **me._asdict())
    for dead, seen in script.rows(_OF_SEAT, here=me.seat, left=LEFT):
        if dead != me.id:
            take(script, Seen(dead, seen), me.id)
    for statement in _ADOPT.values():
        script.run(statement, me=me.id)


def beat(script: Script, me: str) -> list[Seen]:
    """Show that this master lives; the others, as they are now."""
    script.run(_BEAT, key=me)
    return [Seen(*row) for row in script.rows(_SEEN) if row[0] != me]


def leave(script: Script, me: str) -> None:
    """Stop in good order: what it drove is anybody's."""
    script.run(_LEAVE, key=me)


def take(script: Script, dead: Seen, me: str) -> Taken | None:
    """What `dead` drove is this master's from now on; `None` when it lives after all, or another was quicker."""
    if script.run(_DEAD, key=dead.id, seen=dead.beat) != 1:
        return None
    jobs, transactions = (_ids(script.rows(_TAKE[table], dead=dead.id, me=me)) for table in (job, tx))
    return Taken(dead.id, jobs, transactions)


async def read_all(store: Store) -> list[StoredMaster]:
    """All that have a place, the longest there first."""
    return [StoredMaster(**row) for row in await store.read(_ALL)]


async def count_driven(store: Store) -> tuple[dict[str, int], dict[str, int]]:
    """How many jobs, and how many transactions, each master drives; one that drives none is absent."""
    jobs, transactions = [await store.read(_DRIVEN[table]) for table in (job, tx)]
    return {row["owner"]: row["driven"] for row in jobs}, {row["owner"]: row["driven"] for row in transactions}


def _ids(rows: Iterable[Iterable[str]]) -> list[str]:
    return [key for (key,) in rows]
