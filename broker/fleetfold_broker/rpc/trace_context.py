"""Trace context of a message: its `traceparent` and `tracestate` headers (W3C Trace Context, level 1)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from fleetfold_broker.rpc.headers import TRACEPARENT, TRACESTATE

__all__ = ["TraceContext", "trace_context"]

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 1


class TraceContext(msgspec.Struct, frozen=True):
    """The trace that a message belongs to, and the sender's span in it: 32 and 16 lowercase hex digits."""

    trace_id: str
    span_id: str
    sampled: bool = False
    state: str = ""


def trace_context(headers: Mapping[str, str]) -> TraceContext | None:
    """Return the trace context of a message; `None` without one, or when it is malformed, as the specification says.

    Longer forms of later versions are read by their first four fields.
    """
    text = headers.get(TRACEPARENT)
    if text is None or (form := _FORM.fullmatch(text)) is None:
        return None
    version, trace_id, span_id, flags, more = form.groups()
    if version == "ff" or (version == "00" and more) or not (int(trace_id, 16) and int(span_id, 16)):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), headers.get(TRACESTATE, ""))
