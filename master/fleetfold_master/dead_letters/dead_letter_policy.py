"""The dead-letter policy: which commands are dead, and what is stored of them. Each is stored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from fleetfold_master.dead_letters import rows
from fleetfold_master.events import DeadLettered, WriteWithEvent
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.task import Ending, command_id
from fleetfold_master.webhooks.model import Delivery
from fleetfold_shared.messages import CommandResult, DeadLetter, DeadLetterEvent, DeadLetterReason, Job

__all__ = [
    "MOST_BYTES",
    "StepCommand",
    "dead_letter_id",
    "dead_letter_of_delivery",
    "dead_letter_of_step",
    "dead_letters_for",
    "event_of",
    "fitting",
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


class StepCommand(NamedTuple):
    """A command of a transaction's step, or with `compensation` its compensation; `caller` ran the transaction."""

    tx: str
    step: str
    node: str
    action: str
    params: Any
    caller: str
    compensation: bool


def dead_letter_of_step(command: StepCommand, result: CommandResult, now: float, *, by: str = "") -> DeadLetter | None:
    """The same for a command of a transaction's step."""
    reason = _REASONS.get(result.code)
    if reason is None or not (command.compensation or reason in _WORTH_TELLING):
        return None
    error, (params, whole) = (result.error or "")[:MOST_CHARS], fitting(command.params)
    ended = DeadLetterEvent(now, result.outcome, _said(error, by))
    return DeadLetter(
        id=dead_letter_id(result.id), reason=reason, command=result.id, node=command.node, at=now,
        action=command.action, params=params, whole=whole, error=error, tx=command.tx, step=command.step,
        caller=command.caller, history=[*_starts(result.starts, now), ended],
    )  # fmt: skip


def dead_letter_of_delivery(delivery: Delivery, why: str, now: float) -> Sequence[WriteWithEvent]:
    """The writes for a callback or an alert that is abandoned."""
    of_job = delivery.type == "job.ended"
    history = [
        DeadLetterEvent(delivery.created_at, delivery.type, delivery.record),
        DeadLetterEvent(now, "abandoned", f"after {delivery.tries} tries"),
    ]
    dead_letter = DeadLetter(
        id=dead_letter_id(delivery.id), reason="undelivered", command=delivery.id, node="", at=now,
        action=delivery.target[:63], error=why[:MOST_CHARS], job=delivery.record if of_job else None,
        tx=None if of_job else delivery.record, caller=delivery.name, history=history,
    )  # fmt: skip
    return (_written(dead_letter),)


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
