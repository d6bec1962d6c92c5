"""Pipeline of a call: interceptors around a handler, in one declared order, whatever transport the call came by.

An interceptor sees every call before the handler and its reply or error afterwards. It passes the call on with
`proceed`, or answers or refuses it without. A list of interceptors is read from the top: the first is the outermost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from fleetfold_broker.rpc.streamed_reply import Say, silent
from fleetfold_broker.rpc.trace_context import TraceContext
from fleetfold_shared.messages import Message

__all__ = ["MESSAGE", "Call", "CallKey", "Handler", "Interceptor", "Transport", "compose"]

T = TypeVar("T")

Transport = Literal["bus", "http"]


class CallKey(Generic[T]):
    """A typed key of what an interceptor finds out about a call, such as its caller's role or its decoded message.

    The package that finds a value declares its key once, as a constant; the pipeline need not know the value's type.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"CallKey({self.name!r})"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request, a command or a delivered message on its way through a pipeline.

    `identity` is the verified caller, empty where the subject names none; `deadline` is on the event loop's clock, in
    seconds; `body` is not decoded. Whatever is put into `reply_headers` goes out with the reply or the error. Messages
    given to `say` are sent before the reply, if the caller accepts parts; the handler is then cancelled when the caller
    goes away.
    """

    verb: str
    identity: str = ""
    body: bytes = b""
    subject: str = ""
    transport: Transport = "bus"
    deadline: float | None = None
    headers: Mapping[str, str] = {}
    trace: TraceContext | None = None
    reply_headers: dict[str, str] = {}
    say: Say = silent
    found: dict[CallKey[Any], Any] = {}

    def remaining_s(self) -> float | None:
        """Return the seconds until the caller stops waiting; `None` when it set no deadline."""
        return None if self.deadline is None else self.deadline - asyncio.get_running_loop().time()

    def log_fields(self) -> dict[str, str]:
        """Return what log lines name of the call: its verb, and where it has them its caller and its trace."""
        fields = {"verb": self.verb}
        if self.identity:
            fields["caller"] = self.identity
        if self.trace is not None:
            fields |= {"trace_id": self.trace.trace_id, "span_id": self.trace.span_id}
        return fields

    def put(self, key: CallKey[T], value: T) -> None:
        """Record what an interceptor has found, for those after it."""
        self.found[key] = value

    def get(self, key: CallKey[T]) -> T:
        """Return what was recorded under `key`. Raises `LookupError` when no interceptor before has recorded it."""
        try:
            value: T = self.found[key]
        except KeyError:
            why = f"{self.verb}: nothing has recorded {key.name!r}; list the interceptor that does before this one"
            raise LookupError(why) from None
        return value

    def __contains__(self, key: CallKey[Any]) -> bool:
        return key in self.found


MESSAGE: CallKey[Message] = CallKey("message")
"""The decoded body, for the interceptors and the handler after the one that decodes."""

Handler = Callable[[Call], Awaitable[Message | None]]
"""Answers a call with a message, or with `None` for no reply; may raise any error."""


class Interceptor(Protocol):
    """One concern around every call: a function or an object with `__call__`.

    One that only acts before the handler need not be a coroutine: it returns `proceed(call)`, which adds no frame.
    """

    def __call__(self, call: Call, proceed: Handler, /) -> Awaitable[Message | None]:
        """Return the reply, of `proceed(call)` or another one; raise to refuse the call."""


def compose(interceptors: Iterable[Interceptor], handler: Handler) -> Handler:
    """Return a handler that passes calls through `interceptors`, the first outermost, to `handler`."""
    for interceptor in reversed(tuple(interceptors)):
        handler = _around(interceptor, handler)
    return handler


def _around(interceptor: Interceptor, proceed: Handler) -> Handler:
    def handle(call: Call) -> Awaitable[Message | None]:  # not a coroutine of its own: it would be one more frame
        return interceptor(call, proceed)

    return handle
