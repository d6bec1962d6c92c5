"""Rows of dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Integer, RowMapping, Select, and_, bindparam, delete, func, or_, select, update

from fleetfold_master.store.compiled_statements import Script, Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.dead_letter_tables import dead_letter
from fleetfold_master.store.row_helpers import as_json
from fleetfold_master.store.tables import job, job_node, step, tx
from fleetfold_shared.messages import DeadLetter, DeadLetterEvent, DeadLetterList

__all__ = [
    "buried",
    "bury",
    "dropped",
    "older",
    "over",
    "read_dead_letter",
    "read_dead_letters",
    "read_job",
    "read_step",
    "read_unanswered",
    "retried",
]  # fmt: skip

_BURY = insert_once(dead_letter)
_RETRIED = (
    update(dead_letter)
    .where(dead_letter.c.id == bindparam("of_id"), dead_letter.c.retried_as.is_(None))
    .values({name: bindparam(name) for name in ("retried_as", "retried_at", "retried_by")})
)
_DROP = delete(dead_letter).where(dead_letter.c.id == bindparam("of_id"))
_OLDER = delete(dead_letter).where(dead_letter.c["at"] < bindparam("before"))
_OLDEST_RETAINED = (
    select(dead_letter.c["at"])
    .order_by(dead_letter.c["at"].desc())
    .limit(1)
    .offset(bindparam("most", type_=Integer))
    .scalar_subquery()
)
_OVER = delete(dead_letter).where(dead_letter.c["at"] <= _OLDEST_RETAINED)


def buried(dead_letters: Iterable[DeadLetter]) -> Write:
    """Insert dead letters; existing ones stay unchanged."""
    return Write(_BURY, [_row(one) for one in dead_letters])


def bury(script: Script, dead_letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Insert dead letters, and return those that did not exist."""
    return [one for one in dead_letters if script.run(_BURY, **_row(one))]


def retried(key: str, job_id: str, now: float, by: str) -> Write:
    """Record the job that repeats it; matches no row if one was recorded before."""
    return Write(_RETRIED, [{"of_id": key, "retried_as": job_id, "retried_at": now, "retried_by": by}])


def dropped(key: str) -> Write:
    """Delete one."""
    return Write(_DROP, [{"of_id": key}])


def older(before: float) -> Write:
    """Delete those before then (Unix seconds)."""
    return Write(_OLDER, [{"before": before}])


def over(most: int) -> Write:
    """Delete all but about the latest `most`."""
    return Write(_OVER, [{"most": most}])


async def read_dead_letter(store: Store, key: str) -> DeadLetter | None:
    """One dead letter."""
    row = await store.read_one(select(dead_letter).where(dead_letter.c.id == key))
    return None if row is None else _dead_letter(row)


async def read_dead_letters(
    store: Store, ask: DeadLetterList, *, caller: str | None = None
) -> tuple[list[DeadLetter], int]:
    """Matching ones, newest first, and their number; with `caller`, only those of that caller's commands."""
    wanted = [*_matching(ask), *([dead_letter.c.caller == caller] if caller is not None else [])]
    query = select(dead_letter).where(*wanted).order_by(dead_letter.c["at"].desc(), dead_letter.c.id).limit(ask.limit)
    count = await store.read_one(select(func.count().label("n")).select_from(dead_letter).where(*wanted))
    return [_dead_letter(row) for row in await store.read(query)], int(count["n"]) if count else 0


async def read_unanswered(store: Store, node: str, limit: int) -> list[RowMapping]:
    """The latest unanswered commands of jobs for the node."""
    query: Select[Any] = (
        select(job.c.id, job.c.action, job.c.params, job.c.caller, job.c.created_at, job_node.c.began_at,
               job_node.c.attempt)
        .join(job_node, job_node.c.job == job.c.id)
        .where(job_node.c.node == node, job_node.c.answered.is_(False), job_node.c.began_at.is_not(None))
        .order_by(job.c.created_at.desc())
        .limit(limit)
    )  # fmt: skip
    return list(await store.read(query))


async def read_job(store: Store, key: str, node: str) -> RowMapping | None:
    """A job and its end on one node: `outcome` and `answered`."""
    query = (
        select(job, job_node.c.outcome, job_node.c.answered)
        .join(job_node, job_node.c.job == job.c.id)
        .where(job.c.id == key, job_node.c.node == node)
    )
    return await store.read_one(query)


async def read_step(store: Store, tx_id: str, name: str) -> RowMapping | None:
    """`action`, `params` and `rollback` of a transaction's step, and the transaction's `caller` and `ended_at`."""
    query = (
        select(step.c.action, step.c.params, step.c.rollback, tx.c.caller, tx.c.ended_at)
        .join(tx, tx.c.id == step.c.tx)
        .where(step.c.tx == tx_id, step.c.name == name)
    )
    return await store.read_one(query)


def _matching(ask: DeadLetterList) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [
        dead_letter.c[name] == value
        for name in ("node", "reason", "action", "job", "tx")
        if (value := getattr(ask, name)) is not None
    ]
    if ask.since is not None:
        wanted.append(dead_letter.c["at"] >= ask.since)
    if not ask.retried:
        wanted.append(dead_letter.c.retried_as.is_(None))
    if ask.before is not None:
        at, key = ask.before
        wanted.append(or_(dead_letter.c["at"] < at, and_(dead_letter.c["at"] == at, dead_letter.c.id > key)))
    return wanted


def _row(one: DeadLetter) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in dead_letter.c.keys()}  # noqa: SIM118 (of columns, which are no mapping)
    return {**row, "params": as_json(one.params), "history": as_json(one.history)}


def _dead_letter(row: RowMapping) -> DeadLetter:
    decoded = {
        "params": msgspec.json.decode(row["params"]),
        "history": msgspec.json.decode(row["history"], type=list[DeadLetterEvent]),
    }
    return DeadLetter(**{**row, **decoded})
