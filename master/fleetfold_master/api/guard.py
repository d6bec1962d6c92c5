"""The guard before every verb of the API: who asks, how often, whether the role has the verb; and the audit log after.

A verb checks the scopes itself, for only it knows what its message names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from fleetfold_broker.rpc.request_server import Handler, Request
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
"""A caller's own mistakes: they have had no effect, and would only fill the log."""

M = TypeVar("M", bound=Message)


class Details(TypedDict):
    """What an entry of the audit log says besides who did what, and how it ended."""

    role: str
    node: str
    target: str
    reason: str
    source: str
    ms: float


@dataclass(frozen=True, slots=True)
class Verb(Generic[M]):
    """A verb: the message it takes, what it does with that and the caller, and what that touches.

    Without `touches` it changes nothing, and only its refusals are written down.
    """

    takes: type[M]
    handle: Callable[[M, Principal], Awaitable[Message]]
    touches: Callable[[M, Any], AuditSubject | None] | None = None
    """Gets the message and the answer, or `None` when it was refused or failed. It may say that nothing is."""
    recorded: bool = False
    """Whether the store has it elsewhere, so that its entry need not be there before the answer."""
    in_parts: Callable[[M, Principal, Say], Awaitable[Message]] | None = None
    """`handle`, where it can say parts of its answer before."""


class Guard:
    """Lets requests through to the verbs. `where` is the address of an identity."""

    def __init__(
        self, authority: Authorizer, limits: Limits, audit: AuditSink, where: Callable[[str], str], clock: Clock
    ) -> None:
        self._authority, self._limits, self._audit, self._where = authority, limits, audit, where
        self._clock = clock
        self.refusals = DeniedRequests(audit, where, clock)
        self.route: Callable[[str, Verb[Any]], Verb[Any]] = lambda name, verb: verb  # noqa: ARG005  # a lone master
        """Has a verb handled where what it is about is in hand."""

    def around(self, name: str, verb: Verb[Any]) -> Handler:
        """A handler that asks the guard first."""
        verb = self.route(name, verb)

        async def handle(request: Request) -> Message:
            if not self._authority.knows(request.caller):
                await self._authority.look_again()
            principal = self._let_in(name, request)
            ask = decode(request.data, verb.takes)
            check_names(ask, request.data)
            return await self._do(name, verb, ask, principal, request.say)

        return handle

    def _let_in(self, verb: str, request: Request) -> Principal:
        """The caller, who may ask for `verb` now; `Forbidden` or `RateLimited`, before anything is decoded."""
        role = ""
        try:
            principal = self._authority.principal(request.caller)
            role = principal.role
            spend(self._limits, request, principal.role)
            self._authority.check(principal, verb)
        except (Forbidden, RateLimited) as error:
            self.refusals.count(request.caller, role, verb, error, AuditSubject())
            raise
        return principal

    async def _do(self, name: str, verb: Verb[Any], ask: Message, principal: Principal, say: Say) -> Message:
        touches, began = verb.touches or _nothing, self._clock.monotonic()
        try:
            answer = await (verb.in_parts(ask, principal, say) if verb.in_parts else verb.handle(ask, principal))
        except Forbidden as error:
            self.refusals.count(principal.name, principal.role, name, error, touches(ask, None) or AuditSubject())
            raise
        except BaseException as error:  # a defect and the end of this master too: it may have had an effect
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
    """The code and the field: a message may repeat what was sent."""
    if not isinstance(error, FleetfoldError):
        return type(error).__name__
    return f"{error.code}: {error.field}" if error.field else error.code


def _nothing(_ask: Message, _answer: Message | None) -> AuditSubject:
    return AuditSubject()
