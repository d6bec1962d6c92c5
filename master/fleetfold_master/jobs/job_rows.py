"""Writes of jobs to their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace
from sqlalchemy import BindParameter, bindparam, delete, false, insert, select, update

from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.task import Ending, Task
from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.row_helpers import as_json
from fleetfold_master.store.tables import job, job_node
from fleetfold_shared.messages import JobState

__all__ = [
    "begin",
    "cancel",
    "claim",
    "drop",
    "end",
    "explain",
    "late_settle",
    "progress",
    "resend",
    "set_pause",
    "settle",
]  # fmt: skip

_JOB = insert_once(job)
_NODE = insert(job_node)
_ENDING: dict[str, BindParameter[Any]] = {
    name: bindparam(name) for name in ("outcome", "answered", "result", "error", "ms")
}
_THIS_JOB = job.c.id == bindparam("key")
_THIS_NODE = (job_node.c.job == bindparam("key"), job_node.c.position == bindparam("at_position"))
_PROGRESS = update(job_node).where(*_THIS_NODE).values(progress=bindparam("progress"))
_SETTLE = (
    update(job_node)
    .where(*_THIS_NODE, job_node.c.answered.is_(false()))
    .values({**_ENDING, "progress": bindparam("progress")})
)
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
_END = update(job).where(_THIS_JOB, ~_MISSING).values(state=bindparam("state"), ended_at=bindparam("ended_at"))
_CANCEL = update(job).where(_THIS_JOB).values(cancelled_by=bindparam("by"))
_EXPLAIN = update(job).where(_THIS_JOB).values(note=bindparam("why"))
_DROP_NODES = delete(job_node).where(job_node.c.job == bindparam("key"))
_DROP = delete(job).where(_THIS_JOB)


def claim(running: RunningJob, owner: str | None = None) -> tuple[Write, Write]:
    """Insert a new job, owned by the master `owner`, with its nodes. The request is stored whole: the parameters in a
    column of their own, the rest in `spec`."""
    row = {
        "id": running.id,
        "digest": running.digest,
        "caller": running.caller,
        "action": running.action,
        "params": as_json(running.params),
        "sequential": running.run.sequential,
        "timeout_s": running.run.timeout_s,
        "state": "running",
        "created_at": running.created_at,
        "ended_at": None,
        "spec": as_json(replace(running.run, params={})),
        "cancelled_by": None,
        "note": None,
        "owner": owner,
        "role": running.role,
    }
    return Write(_JOB, [row]), Write(_NODE, [_node_row(running.id, task) for task in running.tasks])


def settle(key: str, endings: Iterable[tuple[Task, Ending]]) -> Write:
    """Set how nodes ended, except those that have already answered, and their last progress."""
    return Write(_SETTLE, [
        {"key": key, "at_position": task.position, **_ending_row(ending), "progress": _progress(task)}
        for task, ending in endings
    ])  # fmt: skip


def late_settle(key: str, node: str, ending: Ending) -> Write:
    """Replace the master's assumption by the node's own answer."""
    return Write(_SETTLE_LATE, [{"key": key, "at_node": node, **_ending_row(ending)}])


def begin(key: str, tasks: Iterable[Task], now: float) -> Write:
    """Mark these nodes' tasks as begun."""
    rows = [{"key": key, "at_position": task.position, "attempt": 1, "began_at": now} for task in tasks]
    return Write(_SEND, rows)


def set_pause(key: str, task: Task, until: float) -> Write:
    """Set when the next node begins, so that a restart does not begin the pause again."""
    return Write(_SEND, [{"key": key, "at_position": task.position, "attempt": 0, "began_at": until}])


def resend(key: str, tasks: Iterable[Task]) -> Write:
    """Count each task's next attempt."""
    rows = [
        {"key": key, "at_position": task.position, "attempt": task.attempt + 1, "began_at": task.began_at}
        for task in tasks
    ]
    return Write(_SEND, rows)


def progress(changed: Iterable[tuple[str, Task]]) -> Write:
    """Set the progress of the tasks of these jobs."""
    rows = [{"key": key, "at_position": task.position, "progress": _progress(task)} for key, task in changed]
    return Write(_PROGRESS, rows)


def cancel(key: str, by: str) -> Write:
    """Record who cancelled the job."""
    return Write(_CANCEL, [{"key": key, "by": by}])


def explain(key: str, why: str) -> Write:
    """Record why the job ends early."""
    return Write(_EXPLAIN, [{"key": key, "why": why}])


def end(key: str, state: JobState, now: float) -> Write:
    """End the job, if no node's outcome is missing."""
    return Write(_END, [{"key": key, "state": state, "ended_at": now}])


def drop(key: str) -> tuple[Write, Write]:
    """Delete the job."""
    return Write(_DROP_NODES, [{"key": key}]), Write(_DROP, [{"key": key}])


def _progress(task: Task) -> str | None:
    return None if task.progress is None else as_json(task.progress)


def _node_row(key: str, task: Task) -> dict[str, Any]:
    blank = {"outcome": None, "answered": False, "result": None, "error": None, "ms": None, "progress": None}
    place = {"job": key, "position": task.position, "node": task.node}
    return {**place, "attempt": task.attempt, "began_at": task.began_at, **blank}


def _ending_row(ending: Ending) -> dict[str, Any]:
    row = {name: getattr(ending, name) for name in _ENDING}
    row["result"] = None if ending.result is None else as_json(ending.result)
    return row
