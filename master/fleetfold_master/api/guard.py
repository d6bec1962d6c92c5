"""The guard of every verb: authenticates, applies rate limits and roles before the handler, and audits after it.

Scopes are checked by the handlers: only they know what their message names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.access.authorizer import Authorizer, Principal
from fleetfold_master.access.charge import spend
from fleetfold_master.access.rate_limits import Limits
from fleetfold_master.api.audit_subject import AuditSubject
from fleetfold_master.api.denied_requests import AuditSink, DeniedRequests
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, NotFound, RateLimited
from fleetfold_shared.messages import Message, decode
from fleetfold_shared.values import check_names

__all__ = ["Guard", "Verb"]

NOTHING_DONE = (InvalidInput, NotFound)
"""Errors of the caller that had no effect; they are not audited."""

M = TypeVar("M", bound=Message)


class Details(TypedDict):
    """Fields of an audit entry beside who, what and the outcome."""

    role: str
    node: str
    target: str
    reason: str
    source: str
    ms: float


@dataclass(frozen=True, slots=True)
class Verb(Generic[M]):
    """A verb: its message type, its handler (message, caller), and the audit subject.

    Without `touches` the verb changes nothing, and only denials are audited.
    """

    takes: type[M]
    handle: Callable[[M, Principal], Awaitable[Message]]
    touches: Callable[[M, Any], AuditSubject | None] | None = None
    """Called with the message and the answer, or None if the request was denied or failed. None means nothing to
    audit."""
    recorded: bool = False
    """Whether the change is also in the store, so that the audit entry may be written after the answer."""
    in_parts: Callable[[M, Principal, Say], Awaitable[Message]] | None = None
    """Like `handle`, for handlers that stream parts of their answer first."""


Route = Callable[[str, Verb[Any]], Verb[Any]]
"""Wraps a verb so that it is forwarded to the master that owns its subject."""


def _handled_here(_name: str, verb: Verb[Any]) -> Verb[Any]:
    """Default of `Route`, for a master without peers."""
    return verb


class Guard:
    """Wraps handlers. `where` returns the network address of an identity."""

    def __init__(
        self, authorizer: Authorizer, limits: Limits, audit: AuditSink, where: Callable[[str], str], clock: Clock,
        route: Route = _handled_here,
    ) -> None:  # fmt: skip
        self._authorizer, self._limits, self._audit, self._where = authorizer, limits, audit, where
        self._clock, self._route = clock, route
        self.refusals = DeniedRequests(audit, where, clock)

    def around(self, name: str, verb: Verb[Any]) -> Handler:
        """Wrap a verb into a request handler."""
        verb = self._route(name, verb)

        async def handle(call: Call) -> Message:
            if not self._authorizer.knows(call.identity):
                await self._authorizer.look_again()
            principal = self._let_in(name, call)
            ask = decode(call.body, verb.takes)
            check_names(ask, call.body)
            return await self._do(name, verb, ask, principal, call.say)

        return handle

    def _let_in(self, verb: str, call: Call) -> Principal:
        """Admit a request and return the caller. Raises `Forbidden` or `RateLimited` before anything is decoded."""
        role = ""
        try:
            principal = self._authorizer.principal(call.identity)
            role = principal.role
            spend(self._limits, call, principal.role)
            self._authorizer.check(principal, verb)
        except (Forbidden, RateLimited) as error:
            self.refusals.count(call.identity, role, verb, error, AuditSubject())
            raise
        return principal

    async def _do(self, name: str, verb: Verb[Any], ask: Message, principal: Principal, say: Say) -> Message:
        touches, began = verb.touches or _nothing, self._clock.monotonic()
        try:
            answer = await (verb.in_parts(ask, principal, say) if verb.in_parts else verb.handle(ask, principal))
        except Forbidden as error:
            self.refusals.count(principal.name, principal.role, name, error, touches(ask, None) or AuditSubject())
            raise
        except BaseException as error:  # a defect, and the shutdown of this master: the request may have had an effect
            if (touched := touches(ask, None)) and verb.touches and not isinstance(error, NOTHING_DONE):
                entry = self._entry(principal, touched._replace(reason=_why(error)), began)
                self._audit.note(principal.name, name, "failed", **entry)
            raise
        if verb.touches and (touched := touches(ask, answer)) is not None:
            entry = self._entry(principal, touched, began)
            if verb.recorded:
                self._audit.note(principal.name, name, touched.outcome, **entry)
            else:
                await self._audit.write(principal.name, name, touched.outcome, **entry)
        return answer

    def _entry(self, principal: Principal, touched: AuditSubject, began: float) -> Details:
        return Details(
            role=principal.role, node=touched.node, target=touched.target, reason=touched.reason,
            source=self._where(principal.name), ms=round((self._clock.monotonic() - began) * 1000, 3),
        )  # fmt: skip


def _why(error: BaseException) -> str:
    """The error's code and field, without its message, which may repeat the caller's input."""
    if not isinstance(error, FleetfoldError):
        return type(error).__name__
    return f"{error.code}: {error.field}" if error.field else error.code


def _nothing(_ask: Message, _answer: Message | None) -> AuditSubject:
    return AuditSubject()
