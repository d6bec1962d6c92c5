from __future__ import annotations

from typing import Any

import pytest
import structlog
from bench.identity import with_ratios
from bench.light_nodes import Back, Tries
from bench.rounds import side_by_side_ms
from bench.storm import failed_tries
from nats.errors import AuthorizationError, NoServersError

from fleetfold_broker.connection.nats_connection import NatsConnection, failure

URL = "nats://127.0.0.1:4222"


def back(process: int, at: float, **failed: int) -> Back:
    return Back(f"node-{at}", process, at, failed)


def retried(tries: Tries, asked: bool, error: Exception) -> None:
    client = NatsConnection()
    client._server_info = {"auth_required": asked}
    event: dict[str, Any] = {"event": "connection.retry", "reason": failure(client, error, URL).message}
    with pytest.raises(structlog.DropEvent):
        tries(None, "debug", event)


def test_failed_tries_are_told_apart_by_what_a_connection_says():
    tries = Tries()

    retried(tries, False, NoServersError())
    retried(tries, True, TimeoutError())
    retried(tries, True, TimeoutError())
    retried(tries, True, AuthorizationError())

    assert tries.failed == {"nobody_there": 1, "unanswered": 2, "refused": 1}


def test_of_each_process_the_latest_count_is_taken():
    said = [back(1, 3.0, unanswered=5), back(1, 2.0, unanswered=4), back(2, 1.0, unanswered=1, refused=2)]

    assert failed_tries(said) == {"unanswered": 6, "refused": 2}


def test_each_figure_with_identity_is_set_against_the_same_one_without():
    figures = with_ratios({"on_ping_ms": 1.2, "off_ping_ms": 1.0, "rounds": 3})

    assert figures == {"on_ping_ms": 1.2, "off_ping_ms": 1.0, "rounds": 3, "ping_ms_ratio": 1.2}


async def test_works_that_are_compared_take_turns():
    done = []

    async def on() -> None:
        done.append("on")

    async def off() -> None:
        done.append("off")

    took = await side_by_side_ms({"on": on, "off": off}, 3)

    assert done == ["on", "off"] * 3
    assert [len(each) for each in took.values()] == [3, 3]
