"""The payload budget of an answer: values that are too long are replaced by their size, outcomes never.

Each result fits into a message by itself, but the results of many nodes, steps or jobs together may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from fleetfold_shared.hit_truncation import MAX_ANSWER_BYTES
from fleetfold_shared.messages import Job, TransactionView

__all__ = ["ROOM_BYTES", "fit_all", "fit_job", "fit_transaction"]

ROOM_BYTES = MAX_ANSWER_BYTES
"""Limit in bytes for the records of one answer: the same as for the hits of a search."""

CUT = " …"

R = TypeVar("R", Job, TransactionView)


def fit_job(job: Job, room: int = ROOM_BYTES) -> Job:
    """The job; if its JSON exceeds `room` bytes, long parameters and results become `{"left_out_bytes": size}`."""
    if _size(job) <= room:
        return job
    share = room // (2 * len(job.nodes) + 1)
    nodes = [replace(node, result=_part(node.result, share), error=_text(node.error, share)) for node in job.nodes]
    return replace(job, params=_part(job.params, share), nodes=nodes)


def fit_transaction(view: TransactionView, room: int = ROOM_BYTES) -> TransactionView:
    """The transaction; if its JSON exceeds `room` bytes, long results become `{"left_out_bytes": size}`."""
    if _size(view) <= room:
        return view
    share = room // (2 * len(view.steps) + len(view.timeline) + 1)
    steps = [replace(step, result=_part(step.result, share), error=_text(step.error, share)) for step in view.steps]
    timeline = [replace(entry, why=_text(entry.why, share)) for entry in view.timeline]
    return replace(view, steps=steps, timeline=timeline, error=_text(view.error, share))


def fit_all(records: Iterable[R], fit: Callable[[R, int], R]) -> list[R]:
    """Apply `fit` to each record with its share of the budget; records at the end that do not fit are omitted."""
    records = list(records)
    if sum(map(_size, records)) > ROOM_BYTES:
        records = [fit(record, ROOM_BYTES // len(records)) for record in records]
    left, fitting = ROOM_BYTES, list[R]()
    for record in records:
        left -= _size(record)
        if left < 0:
            break
        fitting.append(record)
    return fitting


def _part(value: Any, share: int) -> Any:
    size = _size(value)
    return value if size <= share else {"left_out_bytes": size}


def _text(text: Any, share: int) -> Any:
    """Cut text to `share` bytes of JSON, which takes up to 6 bytes for a character."""
    return text if text is None or _size(text) <= share else text[: share // 6] + CUT


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))
