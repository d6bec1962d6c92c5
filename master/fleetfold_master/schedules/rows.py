"""Rows of schedules and firings: the writes that change them and the reads that load them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Integer, RowMapping, and_, bindparam, delete, func, or_, select, update

from fleetfold_master.schedules.model import NewFiring, OpenFiring, ScheduleChanges, StoredSchedule, work_of
from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.row_helpers import as_json
from fleetfold_master.store.schedule_tables import firing, schedule
from fleetfold_master.store.tables import job, tx
from fleetfold_shared.messages import Firing, ScheduleSpec

__all__ = [
    "asked", "changes", "count", "ended", "forgotten", "known_work", "made", "pruned",
    "read_due", "read_firings", "read_last", "read_named",
    "read_open", "read_page",
    "read_work", "refused", "skipped", "started", "turned",
]  # fmt: skip

_MAKE = insert_once(schedule)
_FIELDS = tuple(column.name for column in schedule.c if column.name != "name")
_TURN = (
    update(schedule)
    .where(schedule.c.name == bindparam("of_name"), schedule.c.turn == bindparam("turn_before"))
    .values({name: bindparam(name) for name in _FIELDS})
)
_FIRING = insert_once(firing)
_IN_STATE = (firing.c.id == bindparam("of_id"), firing.c.state == bindparam("state_before"))
_STARTED = update(firing).where(*_IN_STATE).values(state=bindparam("state"), work=bindparam("work"))
_REFUSED = _STARTED.values(why=bindparam("why"))
_ENDED = update(firing).where(*_IN_STATE).values(state=bindparam("state"), outcome=bindparam("outcome"))
_PROMOTE = update(firing).where(*_IN_STATE).values(state=bindparam("state"), decided_at=bindparam("decided_at"))
_DROP_QUEUED = (
    update(firing)
    .where(firing.c.schedule == bindparam("of_schedule"), firing.c.state == bindparam("state_before"))
    .values({name: bindparam(name) for name in ("state", "work", "why")})
)
_OLDEST_RETAINED = (
    select(firing.c.planned_at)
    .where(firing.c.schedule == bindparam("of_schedule"))
    .order_by(firing.c.planned_at.desc())
    .limit(1)
    .offset(bindparam("most", type_=Integer))
    .scalar_subquery()
)
_OVER = delete(firing).where(
    firing.c.schedule == bindparam("of_schedule"),
    or_(*(firing.c.state == state for state in ("done", "skipped", "refused"))),
    firing.c.planned_at <= _OLDEST_RETAINED,
)
_FORGET = delete(firing).where(firing.c.schedule == bindparam("of_schedule"))
_REMOVED = delete(schedule).where(schedule.c.removed_at < bindparam("before"))
_LASTING = ("running", "compensating", "parked")
_LIVE = schedule.c.removed_at.is_(None)


def made(standing: StoredSchedule) -> Write:
    """Insert a schedule; matches no row if the name exists."""
    return Write(_MAKE, [_row(standing)])


def turned(after: StoredSchedule, before: int) -> Write:
    """Write a schedule's next version; matches no row if another master has written it."""
    row = _row(after)
    return Write(_TURN, [{**row, "of_name": row.pop("name"), "turn_before": before}])


def changes(turn: ScheduleChanges, now: float) -> list[Write]:
    """The further writes of a turn, beside the schedule's own row."""
    writes = [_new_firings(turn.standing, turn.firings, now)]
    if turn.promoted is not None:
        writes.append(
            Write(_PROMOTE, [{"of_id": turn.promoted, "state_before": "queued", "state": "due", "decided_at": now}])
        )
    if turn.firings:
        writes.append(Write(_OVER, [{"of_schedule": turn.standing.name, "most": turn.standing.spec.keep}]))
    return writes


def asked(standing: StoredSchedule, key: str, now: float, by: str) -> Write:
    """Insert a firing that a caller requested."""
    return Write(_FIRING, [_firing_row(standing, NewFiring(key, now, "due"), now, by)])


def started(key: str) -> Write:
    """Mark a firing as started."""
    return Write(_STARTED, [{"of_id": key, "state_before": "due", "state": "started", "work": None}])


def refused(key: str, why: str) -> Write:
    """Mark a firing as refused; it is not tried again."""
    return Write(_REFUSED, [{"of_id": key, "state_before": "due", "state": "refused", "work": None, "why": why}])


def ended(firings: Iterable[OpenFiring]) -> Write:
    """Mark firings as ended."""
    states = {"state_before": "started", "state": "done"}
    return Write(_ENDED, [{"of_id": one.id, **states, "outcome": one.ended_as} for one in firings])


def skipped(name: str, why: str) -> Write:
    """Mark the schedule's queued firings as skipped."""
    row = {"of_schedule": name, "state_before": "queued", "state": "skipped", "work": None, "why": why}
    return Write(_DROP_QUEUED, [row])


def forgotten(name: str) -> Write:
    """Delete a schedule's history."""
    return Write(_FORGET, [{"of_schedule": name}])


def pruned(before: float) -> Write:
    """Delete names removed before then."""
    return Write(_REMOVED, [{"before": before}])


async def read_named(store: Store, name: str) -> StoredSchedule | None:
    """The schedule of that name, also a removed one."""
    row = await store.read_one(select(schedule).where(schedule.c.name == name))
    return None if row is None else _standing(row)


async def read_page(store: Store, after: str, limit: int) -> list[StoredSchedule]:
    """Schedules by name."""
    query = select(schedule).where(_LIVE, schedule.c.name > after).order_by(schedule.c.name).limit(limit)
    return [_standing(row) for row in await store.read(query)]


async def read_due(store: Store, now: float, *, misdated: bool) -> list[StoredSchedule]:
    """Schedules that are due or have a queued firing; with `misdated` also those last changed after `now`."""
    queued = select(firing.c.schedule).where(firing.c.state == "queued")
    wanted = or_(schedule.c.due_at <= now, schedule.c.name.in_(queued))
    if misdated:
        wanted = or_(wanted, schedule.c.looked_at > now + 1)
    return [_standing(row) for row in await store.read(select(schedule).where(_LIVE, wanted))]


async def count(store: Store) -> int:
    """The number of schedules."""
    row = await store.read_one(select(func.count().label("n")).select_from(schedule).where(_LIVE))
    return int(row["n"]) if row else 0


async def read_open(store: Store, name: str | None = None) -> list[OpenFiring]:
    """Firings that have not ended, all or of one schedule, with the states of their jobs and transactions."""
    query = (
        select(
            firing.c.id, firing.c.schedule, firing.c.planned_at, firing.c.state, firing.c.kind,
            job.c.state.label("job_state"), tx.c.state.label("tx_state"),
        )
        .outerjoin(job, and_(job.c.id == firing.c.id, firing.c.kind == "run"))
        .outerjoin(tx, and_(tx.c.id == firing.c.id, firing.c.kind == "transact"))
        .where(firing.c.state.in_(("due", "queued", "started")))
    )  # fmt: skip
    rows = await store.read(query if name is None else query.where(firing.c.schedule == name))
    return [_open(row) for row in rows]


async def read_work(store: Store, *, key: str | None = None) -> list[RowMapping]:
    """`id`, `kind`, `caller` and `work` of the firings that are about to start, or of the one of that id."""
    query = select(firing.c.id, firing.c.schedule, firing.c.kind, firing.c.caller, firing.c.work)
    query = query.where(firing.c.state == "due").order_by(firing.c.planned_at)
    return list(await store.read(query if key is None else query.where(firing.c.id == key)))


async def known_work(store: Store, key: str, kind: str) -> bool:
    """Whether the job or the transaction of a firing exists."""
    table = job if kind == "run" else tx
    return await store.read_one(select(table.c.id).where(table.c.id == key)) is not None


async def read_firings(store: Store, name: str, limit: int) -> list[Firing]:
    """The latest firings of a schedule, newest first."""
    query = select(firing).where(firing.c.schedule == name)
    query = query.order_by(firing.c.planned_at.desc(), firing.c.decided_at.desc(), firing.c.id.desc()).limit(limit)
    return [_firing(row) for row in await store.read(query)]


async def read_last(store: Store, names: Collection[str]) -> dict[str, Firing]:
    """The latest firing of each schedule."""
    latest = (
        select(firing.c.schedule, func.max(firing.c.planned_at).label("at"))
        .where(firing.c.schedule.in_(names))
        .group_by(firing.c.schedule)
        .subquery()
    )
    query = select(firing).join(
        latest, and_(latest.c.schedule == firing.c.schedule, latest.c["at"] == firing.c.planned_at)
    )
    return {row["schedule"]: _firing(row) for row in await store.read(query)}


def _new_firings(standing: StoredSchedule, firings: Sequence[NewFiring], now: float) -> Write:
    return Write(_FIRING, [_firing_row(standing, one, now, "") for one in firings])


def _firing_row(standing: StoredSchedule, new: NewFiring, now: float, by: str) -> dict[str, Any]:
    work = None if new.state == "skipped" else as_json(work_of(standing.spec, new.id))
    place = {"id": new.id, "schedule": standing.name, "planned_at": new.planned_at, "decided_at": now}
    facts = {"state": new.state, "kind": standing.kind, "caller": standing.caller, "work": work}
    return {**place, **facts, "outcome": None, "why": new.why, "by": by}


def _row(standing: StoredSchedule) -> dict[str, Any]:
    return {**msgspec.structs.asdict(standing), "spec": as_json(standing.spec)}


def _standing(row: RowMapping) -> StoredSchedule:
    return StoredSchedule(**{**row, "spec": msgspec.json.decode(row["spec"], type=ScheduleSpec)})


def _firing(row: RowMapping) -> Firing:
    return Firing(**{name: row[name] for name in Firing.__struct_fields__})


def _open(row: RowMapping) -> OpenFiring:
    """Convert a row. A job or transaction that no longer exists had ended, and was deleted by retention."""
    state = row["job_state"] if row["kind"] == "run" else row["tx_state"]
    going_on = row["state"] != "started" or state in _LASTING
    return OpenFiring(
        row["id"], row["schedule"], row["planned_at"], row["state"], None if going_on else state or "forgotten"
    )
