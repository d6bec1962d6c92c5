"""Reads of jobs from their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import RowMapping, false, func, select

from fleetfold_master.jobs.job_filters import filters
from fleetfold_master.jobs.job_model import RunningJob, time_limit_of
from fleetfold_master.jobs.rollout import plan_of
from fleetfold_master.jobs.task import Ending, Task, command_id
from fleetfold_master.store.database import Store
from fleetfold_master.store.row_helpers import KEYS_AT_ONCE
from fleetfold_master.store.tables import job, job_node
from fleetfold_shared.concurrency import batches
from fleetfold_shared.messages import Job, JobList, Progress, Run

__all__ = [
    "AbandonedCommand",
    "load_running",
    "read_abandoned",
    "read_digest",
    "read_jobs",
    "read_many",
    "read_nodes",
    "read_owner",
    "read_unfinished",
]

_log = structlog.get_logger(__name__)
_run_decoder = msgspec.json.Decoder(Run)
_progress_decoder = msgspec.json.Decoder(Progress)


class AbandonedCommand(NamedTuple):
    """A command that was given up, and its deadline."""

    command: str
    deadline_at: float


async def read_digest(store: Store, key: str) -> str | None:
    """The digest of the job's request; None if there is no job."""
    row = await store.read_one(select(job.c.digest).where(job.c.id == key))
    return None if row is None else str(row["digest"])


async def read_jobs(store: Store, *, key: str | None = None, limit: int = 1, of: JobList | None = None) -> list[Job]:
    """The job `key`, or the newest `limit` jobs that match `of`."""
    query = select(job).order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit)
    if of is not None:
        query = query.where(*filters(of))
    rows = await store.read(query if key is None else select(job).where(job.c.id == key))
    nodes = await _nodes_of(store, rows)
    return [_to_job(row, nodes[row["id"]]) for row in rows]


async def read_many(store: Store, keys: Sequence[str]) -> list[Job]:
    """Those of the jobs `keys` that exist."""
    rows = [
        row for part in batches(keys, KEYS_AT_ONCE) for row in await store.read(select(job).where(job.c.id.in_(part)))
    ]
    nodes = await _nodes_of(store, rows)
    return [_to_job(row, nodes[row["id"]]) for row in rows]


async def read_owner(store: Store, key: str) -> str | None:
    """The master that owns the job; None if it has ended or does not exist."""
    row = await store.read_one(select(job.c.owner).where(job.c.id == key, job.c.state == "running"))
    return None if row is None else row["owner"]


async def load_running(store: Store, owner: str | None = None, keys: Sequence[str] | None = None) -> list[RunningJob]:
    """Load jobs that have not ended, oldest first: all, those of `owner`, or those of `owner` in `keys`."""
    query = select(job).where(job.c.state == "running").order_by(job.c.created_at, job.c.id)
    if owner is not None:
        query = query.where(job.c.owner == owner)
    if keys is None:
        return await _with_nodes(store, await store.read(query))
    found: list[RunningJob] = []
    for part in batches(keys, KEYS_AT_ONCE):
        found += await _with_nodes(store, await store.read(query.where(job.c.id.in_(part))))
    return found


async def _with_nodes(store: Store, rows: Sequence[RowMapping]) -> list[RunningJob]:
    nodes = await _nodes_of(store, rows)
    return [_to_running(row, nodes[row["id"]]) for row in rows]


async def read_unfinished(store: Store, owner: str | None) -> Sequence[RowMapping]:
    """Jobs that have not ended, of `owner` or of all, oldest first, each with its last node: `id`, `node`,
    `created_at`, `timeout_s`."""
    query = (
        select(job.c.id, job.c.created_at, job.c.timeout_s, func.max(job_node.c.node).label("node"))
        .join(job_node, job_node.c.job == job.c.id)
        .where(job.c.state == "running", job_node.c.outcome.is_(None))
        .group_by(job.c.id, job.c.created_at, job.c.timeout_s)
        .order_by(job.c.created_at, job.c.id)
    )
    return await store.read(query if owner is None else query.where(job.c.owner == owner))


async def read_nodes(store: Store, key: str) -> list[str]:
    """The nodes of a job."""
    query = select(job_node.c.node).where(job_node.c.job == key).order_by(job_node.c.position)
    return [row["node"] for row in await store.read(query)]


async def read_abandoned(store: Store, action: str, since: float) -> list[AbandonedCommand]:
    """Commands of an action that were given up, in jobs that ended after `since` (Unix seconds)."""
    columns = (job_node.c.job, job_node.c.node, job_node.c.began_at, job.c.spec, job.c.timeout_s)
    query = (
        select(*columns)
        .join(job, job.c.id == job_node.c.job)
        .where(job.c.action == action, job.c.ended_at > since, job_node.c.attempt > 0)
        .where(job_node.c.outcome.is_not(None), job_node.c.answered.is_(false()))
    )
    return [
        AbandonedCommand(command_id(row["job"], row["node"]), row["began_at"] + _time_limit_s(row))
        for row in await store.read(query)
    ]


def _time_limit_s(row: RowMapping) -> float:
    return float(row["timeout_s"]) if row["spec"] is None else time_limit_of(_run_decoder.decode(row["spec"]))


async def _nodes_of(store: Store, jobs: Sequence[RowMapping]) -> dict[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = {row["id"]: [] for row in jobs}
    for part in batches(found, KEYS_AT_ONCE):
        query = select(job_node).where(job_node.c.job.in_(part)).order_by(job_node.c.job, job_node.c.position)
        for row in await store.read(query):
            found[row["job"]].append(row)
    return found


def _to_job(row: RowMapping, nodes: list[RowMapping]) -> Job:
    return Job(
        id=row["id"],
        action=row["action"],
        params=msgspec.json.decode(row["params"]),
        state=row["state"],
        nodes=[_to_task(each).view() for each in nodes],
        caller=row["caller"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        cancelled_by=row["cancelled_by"],
        note=row["note"],
    )


def _to_running(row: RowMapping, nodes: list[RowMapping]) -> RunningJob:
    run = _to_run(row)
    return RunningJob(
        run, row["digest"], row["caller"], row["created_at"], [_to_task(each) for each in nodes],
        plan_of(run, len(nodes)), cancelled_by=row["cancelled_by"], note=row["note"], role=row["role"],
    )  # fmt: skip


def _to_run(row: RowMapping) -> Run:
    """The request of a row. Rows of earlier releases have it in columns. One that cannot be decoded is rebuilt from
    the columns, because it must not keep the master from starting."""
    params = msgspec.json.decode(row["params"])
    if row["spec"] is not None:
        try:
            return replace(_run_decoder.decode(row["spec"]), params=params)
        except msgspec.DecodeError as error:
            _log.error("job.malformed", job=row["id"], reason=str(error))
    sequential, timeout_s = bool(row["sequential"]), row["timeout_s"]
    return Run(id=row["id"], action=row["action"], params=params, sequential=sequential, timeout_s=timeout_s)


def _to_task(row: RowMapping) -> Task:
    task = Task(row["node"], row["position"], row["attempt"], row["began_at"])
    if row["outcome"] is not None:
        task.ending = Ending(row["outcome"], row["answered"], _value(row["result"]), row["error"], row["ms"])
    if row["progress"] is not None:
        task.progress = _progress_decoder.decode(row["progress"])
    return task


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
