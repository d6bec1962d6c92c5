"""The interceptors that masters and nodes share."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from structlog.contextvars import get_contextvars

from fleetfold_broker.rpc.interceptors import bind_log_context, drop_late_reply, skip_empty
from fleetfold_broker.rpc.pipeline import Call, Interceptor, compose
from fleetfold_broker.rpc.trace_context import TraceContext
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import Message, NodeRemoved

SHOP = NodeRemoved(node="shop")


class _Handler:
    """A handler that notes the log context of each call."""

    def __init__(self) -> None:
        self.contexts: list[dict[str, object]] = []

    async def __call__(self, call: Call) -> Message:
        self.contexts.append(get_contextvars())
        if call.body == b"gone":
            raise NotFound("no such node")
        return SHOP


async def _through(interceptor: Interceptor, call: Call) -> tuple[Message | None, list[dict[str, object]]]:
    handler = _Handler()
    return await compose([interceptor], handler)(call), handler.contexts


async def test_a_call_without_a_body_is_neither_served_nor_answered() -> None:
    assert await _through(skip_empty, Call(verb="ping")) == (None, [])
    reply, served = await _through(skip_empty, Call(verb="ping", body=b"{}"))
    assert (reply, len(served)) == (SHOP, 1)


@pytest.mark.parametrize(("left_s", "reply"), [(None, SHOP), (60.0, SHOP), (-0.001, None)])
async def test_a_reply_that_comes_too_late_is_not_sent(left_s: float | None, reply: Message | None) -> None:
    deadline = None if left_s is None else asyncio.get_running_loop().time() + left_s
    assert (await _through(drop_late_reply, Call(verb="ping", body=b"{}", deadline=deadline)))[0] is reply


async def test_an_error_that_comes_too_late_is_still_an_error() -> None:
    with pytest.raises(NotFound):
        await _through(drop_late_reply, Call(verb="ping", body=b"gone", deadline=0.0))


async def test_log_lines_of_a_call_name_its_verb_its_caller_and_its_trace() -> None:
    trace = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
    _, [context] = await _through(bind_log_context, Call(verb="nodes.get", identity="cli", trace=trace))
    assert context == {
        "verb": "nodes.get", "caller": "cli", "trace_id": trace.trace_id, "span_id": trace.span_id,
    }  # fmt: skip
    _, [context] = await _through(bind_log_context, Call(verb="ping"))
    assert context == {"verb": "ping"}


@pytest.mark.parametrize("body", [b"{}", b"gone"])
async def test_the_log_context_ends_with_the_call(body: bytes) -> None:
    structlog.contextvars.clear_contextvars()
    with pytest.raises(NotFound) if body == b"gone" else structlog.testing.capture_logs():
        await _through(bind_log_context, Call(verb="nodes.get", body=body))
    assert get_contextvars() == {}
