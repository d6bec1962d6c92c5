"""Jobs as rows: the writes that change them and the reads that bring them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import BindParameter, RowMapping, bindparam, false, insert, select, update

from fleetfold_master.actions.job_model import Ending, RunningJob, Task
from fleetfold_master.store.database import Store
from fleetfold_master.store.statements import Write, insert_once
from fleetfold_master.store.tables import job, job_node
from fleetfold_shared.messages import Job, JobNode, JobState

__all__ = [
    "begin",
    "claim",
    "end",
    "late_settle",
    "load_running",
    "read_digest",
    "read_jobs",
    "read_owner",
    "resend",
    "settle",
]

_JOB = insert_once(job)
_NODE = insert(job_node)
_ENDING: dict[str, BindParameter[Any]] = {
    name: bindparam(name) for name in ("outcome", "answered", "result", "error", "ms")
}
_THIS_NODE = (job_node.c.job == bindparam("key"), job_node.c.position == bindparam("at_position"))
_SETTLE = update(job_node).where(*_THIS_NODE, job_node.c.answered.is_(false())).values(_ENDING)
_SETTLE_LATE = (
    update(job_node)
    .where(
        job_node.c.job == bindparam("key"),
        job_node.c.node == bindparam("at_node"),
        job_node.c.outcome.is_not(None),
        job_node.c.answered.is_(false()),
    )
    .values(_ENDING)
)
_SEND = update(job_node).where(*_THIS_NODE).values(attempt=bindparam("attempt"), began_at=bindparam("began_at"))
_MISSING = select(job_node.c.node).where(job_node.c.job == bindparam("key"), job_node.c.outcome.is_(None)).exists()
_END = (
    update(job)
    .where(job.c.id == bindparam("key"), ~_MISSING)
    .values(state=bindparam("state"), ended_at=bindparam("ended_at"))
)


def claim(running: RunningJob, owner: str | None = None) -> tuple[Write, Write]:
    """A new job, driven by the master `owner`, and its nodes."""
    row = {
        "id": running.id,
        "digest": running.digest,
        "caller": running.caller,
        "action": running.action,
        "params": _text(running.params),
        "sequential": running.sequential,
        "timeout_s": running.timeout_s,
        "state": "running",
        "created_at": running.created_at,
        "ended_at": None,
        "spec": None,
        "cancelled_by": None,
        "note": None,
        "owner": owner,
    }
    return Write(_JOB, [row]), Write(_NODE, [_node_row(running.id, task) for task in running.tasks])


def settle(key: str, task: Task, ending: Ending) -> Write:
    """How one node ended, unless it has answered before."""
    return Write(_SETTLE, [{"key": key, "at_position": task.position, **_ending_row(ending)}])


def late_settle(key: str, node: str, ending: Ending) -> Write:
    """A node's own answer in place of the master's guess."""
    return Write(_SETTLE_LATE, [{"key": key, "at_node": node, **_ending_row(ending)}])


def begin(key: str, task: Task, now: float) -> Write:
    """A sequential job's next node has its turn."""
    return Write(_SEND, [{"key": key, "at_position": task.position, "attempt": 1, "began_at": now}])


def resend(key: str, tasks: Iterable[Task]) -> Write:
    """Each task's next attempt."""
    rows = [
        {"key": key, "at_position": task.position, "attempt": task.attempt + 1, "began_at": task.began_at}
        for task in tasks
    ]
    return Write(_SEND, rows)


def end(key: str, state: JobState, now: float) -> Write:
    """The job's end, if really no node is missing."""
    return Write(_END, [{"key": key, "state": state, "ended_at": now}])


async def read_digest(store: Store, key: str) -> str | None:
    """What the job of that id asks for; None if there is none."""
    row = await store.read_one(select(job.c.digest).where(job.c.id == key))
    return None if row is None else str(row["digest"])


async def read_jobs(store: Store, *, key: str | None = None, limit: int = 1) -> list[Job]:
    """The job `key`, or the newest `limit` of all."""
    query = select(job).order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit)
    rows = await store.read(query if key is None else select(job).where(job.c.id == key))
    nodes = await _nodes_of(store, rows)
    return [_to_job(row, nodes[row["id"]]) for row in rows]


async def read_owner(store: Store, key: str) -> str | None:
    """The master that drives the job; None if it has ended, or there is none."""
    row = await store.read_one(select(job.c.owner).where(job.c.id == key, job.c.state == "running"))
    return None if row is None else row["owner"]


async def load_running(store: Store, owner: str | None = None, keys: Sequence[str] | None = None) -> list[RunningJob]:
    """The jobs that have not ended, as they stand: all, what `owner` drives, or of that what is in `keys`."""
    query = select(job).where(job.c.state == "running")
    if owner is not None:
        query = query.where(job.c.owner == owner)
    if keys is None:
        return await _with_nodes(store, await store.read(query))
    found: list[RunningJob] = []
    for start in range(0, len(keys), 500):
        part = query.where(job.c.id.in_(keys[start : start + 500]))
        found += await _with_nodes(store, await store.read(part))
    return found


async def _with_nodes(store: Store, rows: Sequence[RowMapping]) -> list[RunningJob]:
    nodes = await _nodes_of(store, rows)
    return [_to_running(row, nodes[row["id"]]) for row in rows]


async def _nodes_of(store: Store, jobs: Sequence[RowMapping]) -> dict[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = {row["id"]: [] for row in jobs}
    keys = list(found)
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
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
        nodes=[
            JobNode(each["node"], each["outcome"], _value(each["result"]), each["error"], each["ms"]) for each in nodes
        ],
        caller=row["caller"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


def _to_running(row: RowMapping, nodes: list[RowMapping]) -> RunningJob:
    fields = {name: row[name] for name in ("id", "digest", "caller", "action", "sequential", "timeout_s", "created_at")}
    return RunningJob(**fields, params=msgspec.json.decode(row["params"]), tasks=[_to_task(each) for each in nodes])


def _to_task(row: RowMapping) -> Task:
    task = Task(row["node"], row["position"], row["attempt"], row["began_at"])
    if row["outcome"] is not None:
        task.ending = Ending(row["outcome"], row["answered"], _value(row["result"]), row["error"], row["ms"])
    return task


def _node_row(key: str, task: Task) -> dict[str, Any]:
    blank = {"outcome": None, "answered": False, "result": None, "error": None, "ms": None, "progress": None}
    place = {"job": key, "position": task.position, "node": task.node}
    return {**place, "attempt": task.attempt, "began_at": task.began_at, **blank}


def _ending_row(ending: Ending) -> dict[str, Any]:
    row = msgspec.structs.asdict(ending)
    row["result"] = None if ending.result is None else _text(ending.result)
    return row


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
