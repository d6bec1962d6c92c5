"""Celery's side of the comparison: a task that does nothing, acked when it has ended, its result kept in Redis."""

from __future__ import annotations

import os

from celery import Celery

__all__ = ["app", "ask", "noop"]

ANSWER_S = 30.0

_url = os.environ["BENCH_REDIS"]
app = Celery("bench", broker=_url, backend=_url)
app.conf.update(task_acks_late=True, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


def _noop(number: int) -> int:
    return number


noop = app.task(name="noop")(_noop)


def ask(number: int) -> int:
    """Send it, and wait for its result."""
    answer: int = noop.delay(number).get(timeout=ANSWER_S)
    return answer
