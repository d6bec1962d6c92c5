"""The dead-letter policy: which commands are dead, and what is stored of them. Each is stored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from fleetfold_master.dead_letters import rows
from fleetfold_master.events import DeadLettered, WriteWithEvent
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.task import Ending, command_id
from fleetfold_shared.messages import CommandResult, DeadLetter, DeadLetterEvent, DeadLetterReason, Job

__all__ = [
    "MOST_BYTES",
    "dead_letter_id",
    "dead_letter_of_step",
    "dead_letters_for",
    "event_of",
    "fitting",
    "undelivered",
]

MOST_BYTES = 16 * 1024
MOST_CHARS = 2000
_REASONS: Mapping[str, DeadLetterReason] = {
    "poison": "poison", "interrupted": "interrupted", "expired": "expired", "no_action": "no_action",
    "bad_params": "rejected", "too_large": "too_large", "invalid_input": "rejected",
}  # fmt: skip
"""By error code. An end without such a code is an answer, and no dead letter."""
_WORTH_TELLING: frozenset[DeadLetterReason] = frozenset({"poison", "interrupted"})
"""Reasons stored for forward steps of a transaction; other failures lead to compensation, and are in its timeline."""


def dead_letters_for(
    job: RunningJob | Job, node: str, ending: Ending, now: float, *, by: str = ""
) -> Sequence[WriteWithEvent]:
    """The writes for a task's end: a dead letter if its command will not run any more, else none.

    `by` is this master's id.
    """
    reason = _REASONS.get(ending.code)
    if reason is None:
        return ()
    params, whole = fitting(job.params)
    dead_letter = DeadLetter(
        id=dead_letter_id(command_id(job.id, node)), reason=reason, command=command_id(job.id, node), node=node, at=now,
        action=job.action, params=params, whole=whole, error=(ending.error or "")[:MOST_CHARS], job=job.id,
        caller=job.caller, history=_history(job, node, ending, now, by),
    )  # fmt: skip
    return (_written(dead_letter),)


def dead_letter_of_step(
    tx: str, step: str, node: str, result: CommandResult, work: tuple[str, Any], now: float, *,
    compensation: bool, caller: str = "", by: str = "",
) -> DeadLetter | None:  # fmt: skip
    """The same for a command of a transaction's step or its compensation; `work` is its action and parameters."""
    reason = _REASONS.get(result.code)
    if reason is None or not (compensation or reason in _WORTH_TELLING):
        return None
    (action, given), error = work, (result.error or "")[:MOST_CHARS]
    params, whole = fitting(given)
    ended = DeadLetterEvent(now, result.outcome, _said(error, by))
    return DeadLetter(
        id=dead_letter_id(result.id), reason=reason, command=result.id, node=node, at=now, action=action, params=params,
        whole=whole, error=error, tx=tx, step=step, caller=caller, history=[*_starts(result.starts, now), ended],
    )  # fmt: skip


def undelivered(
    command: str, target: str, body: Any, error: str, history: Sequence[DeadLetterEvent], now: float, *,
    job: str | None = None, tx: str | None = None, caller: str = "",
) -> WriteWithEvent:  # fmt: skip
    """The writes when a callback or a webhook is abandoned; `target` is its destination."""
    params, whole = fitting(body)
    dead_letter = DeadLetter(
        id=dead_letter_id(command), reason="undelivered", command=command, node="", at=now, action=target[:63],
        params=params, whole=whole, error=error[:MOST_CHARS], job=job, tx=tx, caller=caller, history=list(history),
    )  # fmt: skip
    return _written(dead_letter)


def event_of(dead_letter: DeadLetter) -> DeadLettered:
    """The event of a dead letter that was stored."""
    return DeadLettered(
        dead_letter.id, dead_letter.reason, dead_letter.command, dead_letter.node, dead_letter.action,
        job=dead_letter.job, tx=dead_letter.tx,
    )  # fmt: skip


def dead_letter_id(command: str) -> str:
    """The id of a command's dead letter: the same for duplicates."""
    return sha256(command.encode()).hexdigest()[:16]


def fitting(params: Any) -> tuple[Any, bool]:
    """The parameters, or their size if they are long; and whether they are whole."""
    size = len(msgspec.json.encode(params))
    return (params, True) if size <= MOST_BYTES else ({"left_out_bytes": size}, False)


def _written(dead_letter: DeadLetter) -> WriteWithEvent:
    return WriteWithEvent(rows.buried([dead_letter]), event_of(dead_letter))


def _history(job: RunningJob | Job, node: str, ending: Ending, now: float, by: str) -> list[DeadLetterEvent]:
    events = [DeadLetterEvent(job.created_at, "accepted", f"asked for by {job.caller}")]
    task = job.task_of(node) if isinstance(job, RunningJob) else None
    if task is not None and task.began_at is not None:
        events.append(DeadLetterEvent(task.began_at, "sent", f"{task.attempt} times since" if task.attempt > 1 else ""))
    events += _starts(ending.starts, now)
    return [*events, DeadLetterEvent(now, ending.outcome, _said((ending.error or "")[:MOST_CHARS], by))]


def _starts(starts: int, now: float) -> list[DeadLetterEvent]:
    return [DeadLetterEvent(now, "begun", f"{starts} times by its node")] if starts else []


def _said(error: str, by: str) -> str:
    return f"{error} ({by})" if by else error
