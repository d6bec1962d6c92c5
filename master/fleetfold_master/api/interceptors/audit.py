"""`Audit`: records in the audit log what audited calls did, and those that failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_master.api.binding import Binding, Bindings
from fleetfold_master.api.denied_requests import AuditSink
from fleetfold_master.api.interceptors.authenticate import PRINCIPAL
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, NotFound
from fleetfold_shared.messages import Message

__all__ = ["Audit"]

NOT_AUDITED = (Forbidden, InvalidInput, NotFound)
"""Errors after which nothing was changed. Denials are recorded by `Denials`."""


class Details(TypedDict):
    """Fields of an audit entry beside who, what and the outcome."""

    role: str
    node: str
    target: str
    reason: str
    source: str
    ms: float


class Audit:
    """Passes on at once what is not audited. `where` returns the network address of an identity."""

    def __init__(self, bindings: Bindings, sink: AuditSink, where: Callable[[str], str], clock: Clock) -> None:
        self._bindings, self._sink, self._where, self._clock = bindings, sink, where, clock

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Pass the call on, and write its entry."""
        binding = self._bindings[call.verb]
        return proceed(call) if binding.touches is None else self._audited(call, proceed, binding, binding.touches)

    async def _audited(
        self, call: Call, proceed: Handler, binding: Binding[Any, Any],
        touches: Callable[[Any, Any], AuditSubject | None],
    ) -> Message | None:  # fmt: skip
        who, ask, began = call.get(PRINCIPAL), call.get(MESSAGE), self._clock.monotonic()
        try:
            reply = await proceed(call)
        except NOT_AUDITED:
            raise
        except BaseException as error:  # a defect, and the shutdown of this master: the request may have had an effect
            if (touched := touches(ask, None)) is not None:
                entry = self._entry(who, touched._replace(reason=_reason(error)), began)
                self._sink.note(who.name, call.verb, "failed", **entry)
            raise
        if (touched := touches(ask, reply)) is not None:
            await self._write(call.verb, who, touched, began, committed=binding.verb.audit == "committed")
        return reply

    async def _write(self, verb: str, who: Principal, touched: AuditSubject, began: float, *, committed: bool) -> None:
        entry = self._entry(who, touched, began)
        if committed:
            await self._sink.write(who.name, verb, touched.outcome, **entry)
        else:
            self._sink.note(who.name, verb, touched.outcome, **entry)

    def _entry(self, who: Principal, touched: AuditSubject, began: float) -> Details:
        return Details(
            role=who.role, node=touched.node, target=touched.target, reason=touched.reason,
            source=self._where(who.name), ms=round((self._clock.monotonic() - began) * 1000, 3),
        )  # fmt: skip


def _reason(error: BaseException) -> str:
    """The error's code and field, without its message, which may repeat the caller's input."""
    if not isinstance(error, FleetfoldError):
        return type(error).__name__
    return f"{error.code}: {error.field}" if error.field else error.code
