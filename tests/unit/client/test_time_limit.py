"""What is no time limit is refused by its name, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fleetfold import Client
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import StepSpec
from support.recording import RecordingBus

STEPS = [StepSpec(name="a", node="shop", action="reserve")]
REQUESTS: list[Callable[[Client, float], Awaitable[Any]]] = [
    lambda ann, limit: ann.search("tent", timeout_s=limit),
    lambda ann, limit: ann.ask("why?", timeout_s=limit).text(),
    lambda ann, limit: ann.nodes.ping(timeout_s=limit),
    lambda ann, limit: ann.nodes.discover(timeout_s=limit),
    lambda ann, limit: ann.evaluation.report(timeout_s=limit),
]
WAITS: list[Callable[[Client, float], Awaitable[Any]]] = [
    lambda ann, limit: ann.jobs.wait("j1", limit),
    lambda ann, limit: ann.jobs.handle("j1").result(limit),
    lambda ann, limit: ann.transactions.wait("t1", limit),
    lambda ann, limit: ann.transactions.handle("t1").result(limit),
    lambda ann, limit: ann.transact(STEPS, timeout_s=limit),
    lambda ann, limit: ann.run("ship", nodes="shop", timeout_s=limit),
]


@pytest.mark.parametrize(
    ("call", "limit"),
    [*((call, limit) for call in REQUESTS for limit in (math.nan, math.inf, -math.inf, 1e300))]
    + [(call, math.nan) for call in WAITS],
)
async def test_what_is_no_time_limit_is_refused_before_anything_is_asked(
    call: Callable[[Client, float], Awaitable[Any]], limit: float
) -> None:
    bus = RecordingBus()
    with pytest.raises(InvalidInput, match=r"^timeout_s: "):
        await call(Client(bus), limit)  # type: ignore[arg-type]
    assert bus.requests == []
