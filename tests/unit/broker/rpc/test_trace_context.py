"""The trace context of a message, as W3C Trace Context defines it."""

from __future__ import annotations

import pytest

from fleetfold_broker.rpc.trace_context import TraceContext, trace_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("02", False)])
def test_the_trace_of_a_message_is_in_its_headers(flags: str, sampled: bool) -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}", "tracestate": "rojo=1,congo=2"}
    assert trace_context(headers) == TraceContext(TRACE, SPAN, sampled, "rojo=1,congo=2")


def test_a_message_without_a_trace_has_none() -> None:
    assert trace_context({"tracestate": "rojo=1"}) is None


def test_a_later_version_is_read_by_its_first_fields() -> None:
    later = {"traceparent": f"cc-{TRACE}-{SPAN}-01-what-is-new"}
    assert trace_context(later) == TraceContext(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "soon",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}²-{SPAN}-01",
    ],
)
def test_a_malformed_trace_is_ignored(parent: str) -> None:
    assert trace_context({"traceparent": parent}) is None
