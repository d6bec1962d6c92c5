"""dramatiq's side of the comparison: an actor that does nothing, and whose result is kept in Redis."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

__all__ = ["ask", "noop"]

ANSWER_MS = 30_000

_url = os.environ["BENCH_REDIS"]
_broker = RedisBroker(url=_url)
_broker.add_middleware(Results(backend=RedisBackend(url=_url)))
dramatiq.set_broker(_broker)


def _noop(number: int) -> int:
    return number


noop = dramatiq.actor(_noop, actor_name="noop", store_results=True)


def ask(number: int) -> int:
    """Send it, and wait for its result."""
    answer: int = noop.send(number).get_result(block=True, timeout=ANSWER_MS)
    return answer
