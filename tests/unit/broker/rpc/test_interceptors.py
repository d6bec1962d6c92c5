"""The interceptors that masters and nodes share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO

import msgspec
import pytest
import structlog

from fleetfold.logging import configure
from fleetfold_broker.rpc.interceptors import bind_log_context, drop_late_reply, skip_empty
from fleetfold_broker.rpc.pipeline import Call, Interceptor, compose
from fleetfold_broker.rpc.trace_context import TraceContext
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import Message, NodeRemoved
from support.commandline import logging_as_it_was

SHOP = NodeRemoved(node="shop")


class _Handler:
    """A handler that notes its calls."""

    def __init__(self) -> None:
        self.served: list[Call] = []

    async def __call__(self, call: Call) -> Message:
        self.served.append(call)
        if call.body == b"gone":
            raise NotFound("no such node")
        return SHOP


async def _through(interceptor: Interceptor, call: Call) -> tuple[Message | None, list[Call]]:
    handler = _Handler()
    return await compose([interceptor], handler)(call), handler.served


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


async def _logged(call: Call, out: StringIO) -> dict[str, object]:
    """Serve a call, and log a line meanwhile; returns its fields but the time and the level."""

    async def handle(call: Call) -> None:
        structlog.get_logger(__name__).warning("index.unreadable", node="shop")
        if call.body == b"gone":
            raise NotFound("no such node")

    await compose([bind_log_context], handle)(call)
    return _last(out)


def _last(out: StringIO) -> dict[str, object]:
    fields: dict[str, object] = msgspec.json.decode(out.getvalue().splitlines()[-1])
    return {name: value for name, value in fields.items() if name not in {"timestamp", "level"}}


@pytest.fixture
def out() -> Iterator[StringIO]:
    """What is logged."""
    with logging_as_it_was():
        out = StringIO()
        configure("info", "json", out)
        yield out


async def test_log_lines_of_a_call_name_its_verb_its_caller_and_its_trace(out: StringIO) -> None:
    trace = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
    line = {"event": "index.unreadable", "node": "shop"}
    assert await _logged(Call(verb="nodes.get", identity="cli", trace=trace), out) == {
        **line, "verb": "nodes.get", "caller": "cli", "trace_id": trace.trace_id, "span_id": trace.span_id,
    }  # fmt: skip
    assert await _logged(Call(verb="ping"), out) == {**line, "verb": "ping"}


async def test_what_a_line_says_itself_is_not_replaced(out: StringIO) -> None:
    async def handle(_call: Call) -> None:
        structlog.get_logger(__name__).warning("peer.no_answer", verb="result")

    await compose([bind_log_context], handle)(Call(verb="nodes.get"))
    assert _last(out) == {"event": "peer.no_answer", "verb": "result"}


@pytest.mark.parametrize("body", [b"{}", b"gone"])
async def test_after_a_call_no_line_names_it(out: StringIO, body: bytes) -> None:
    with suppress(NotFound):
        await _logged(Call(verb="nodes.get", body=body), out)
    structlog.get_logger(__name__).warning("node.up")
    assert _last(out) == {"event": "node.up"}
