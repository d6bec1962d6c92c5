"""`fleet.join.<node>.<verb>`: enrolment of nodes, and renewal of their credentials.

An unknown caller learns only that it was refused; the holder of a real join token learns that it is spent or has
expired. The audit log has the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fleetfold_broker.rpc.admission import OWN, AdmissionControl
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.access.auth_callout import GUESSES
from fleetfold_master.access.charge import spend
from fleetfold_master.access.credential_services import LoginServices
from fleetfold_master.access.join_requests import JoinRequests
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.access.rate_limits import Limits
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.credential_format import Credential, CredentialKind
from fleetfold_shared.errors import Conflict, FleetfoldError, Forbidden, InvalidInput, Unauthenticated
from fleetfold_shared.messages import Enrol, JoinRequest, JoinRequestReply, Message, Refresh, Tokens, decode
from fleetfold_shared.verbs import JoinVerb
from fleetfold_shared.verbs.join_verbs import ENROL, JOIN_REQUEST, REFRESH

__all__ = ["JOINING", "Enrolment", "Live"]

JOINING = LimitsConfig(requests=256, requests_per_identity=8)
"""Concurrent requests for each verb of enrolment, independent of the other limits of the master."""

Live = Callable[[str], Awaitable[bool]]
"""Whether a node of that name answers now."""

_TOLD = {
    "spent": "token: it has been used before; ask for another (`fleetfold nodes invite`)",
    "expired": "token: it has expired; ask for another (`fleetfold nodes invite`)",
}
_NOT_TOLD = "token: it is not accepted; ask for another (`fleetfold nodes invite`)"
_FAILURES = GUESSES | {"spent", "not_allowed"}


class Enrolment:
    """Serves `enrol`, `refresh` and, if nodes may be pending, `request`. `where` is the address of an identity."""

    def __init__(
        self, subjects: Subjects, services: LoginServices, join_requests: JoinRequests, limits: Limits, audit: AuditLog,
        *, live: Live, where: Callable[[str], str],
    ) -> None:  # fmt: skip
        self._subjects, self._join_requests, self._limits, self._audit = subjects, join_requests, limits, audit
        self._invites, self._sessions, self._keys = services.invites, services.sessions, services.keys
        self._registry, self._failures = services.registry, services.failures
        self._rejections, self._pending = services.rejections, services.pending
        self._live, self._where = live, where

    async def start(self, service: RequestServer) -> None:
        """Serve in the queue group of all masters."""
        handlers: dict[JoinVerb[Any, Any], Handler] = {ENROL: self._enrol, REFRESH: self._refresh}
        if self._pending:
            handlers[JOIN_REQUEST] = self._join_request
        for verb, handler in handlers.items():
            # each has slots of its own: anybody may send join requests, under any number of names
            places = AdmissionControl(JOINING, own=0 if verb is JOIN_REQUEST else OWN)
            await service.serve(
                f"join.{verb.name}", self._subjects.join("*", verb.name), self._guarded(verb, handler), queue="masters",
                caller=lambda subject: self._subjects.token(subject, 1), places=places,
            )  # fmt: skip

    def _guarded(self, verb: JoinVerb[Any, Any], handler: Handler) -> Handler:
        """Apply the rate limit, audit refusals, and tell the caller less about them."""
        what = f"join.{verb.name}"
        of_strangers = "" if verb is REFRESH else what

        async def handle(call: Call) -> Message | None:
            name = call.identity
            try:
                # an unknown caller with a member's name does not use up the member's limit
                spend(self._limits, call, "child", of_strangers and f"{name} {of_strangers}")
                return await handler(call)
            except Refusal as refusal:
                self._tell(name, what, f"{refusal.reason}: {refusal.detail}", failed=refusal.reason in _FAILURES)
                raise _unauthenticated(refusal) from None
            except InvalidInput as error:  # its message may repeat what was sent
                self._tell(name, what, f"{error.code}: {error.field or 'not usable'}", failed=True)
                raise
            except FleetfoldError as error:
                self._tell(name, what, f"{error.code}: {error.message}", failed=False)
                raise

        return handle

    def _tell(self, name: str, what: str, reason: str, *, failed: bool) -> None:
        source = self._where(name)
        if failed and source:
            self._failures.failed(source)
        self._rejections.tell(name, what, reason, source)

    async def _enrol(self, call: Call) -> Tokens:
        name, ask = call.identity, decode(call.body, Enrol)
        token = _shown(name, ask.token, "join")
        await self._invites.check(token)  # no other caller learns whether the name is taken
        await self._refuse_taken(name)
        capabilities = await self._invites.use(token, ask.claim)
        tokens = await self._sessions.open(name, capabilities)
        if name in self._registry.pending.nodes:
            await self._join_requests.withdraw(name)
        await self._audit.write(
            name, "join.enrol", "ok", role="child", node=name, target=token.id, source=self._where(name)
        )
        return tokens

    async def _refresh(self, call: Call) -> Tokens:
        name, ask = call.identity, decode(call.body, Refresh)
        token = _shown(name, ask.token, "refresh")
        self._refuse_inactive(name)
        return await self._sessions.refresh(token, ask.attempt, self._where(name))

    async def _join_request(self, call: Call) -> JoinRequestReply:
        name, ask = call.identity, decode(call.body, JoinRequest)
        waited = name in self._registry.pending.nodes
        if not waited:
            await self._refuse_taken(name)
        answer = await self._join_requests.ask(name, ask)
        if answer.tokens or not waited:  # not each time it asks again
            await self._audit.write(
                name, "join.request", "ok", role="child", node=name, target=answer.fingerprint,
                reason="let in" if answer.tokens else "waits to be approved", source=self._where(name),
            )  # fmt: skip
        return answer

    async def _refuse_taken(self, name: str) -> None:
        if self._keys.find(name) is not None:
            raise Conflict(f"name: {name!r} is an API key's; choose another name for the node", field="name")
        self._refuse_inactive(name)
        if await self._live(name):
            raise Conflict(
                f"name: a living node is called {name!r} already; stop it first, or choose another name", field="name"
            )

    def _refuse_inactive(self, name: str) -> None:
        node = self._registry.find(name)
        if node is not None and node.state == "inactive":
            raise Forbidden(
                f"node: an operator has set {name!r} inactive; have it set active first (`fleetfold nodes update`)",
                field="node",
            )


def _shown(name: str, text: str, kind: CredentialKind) -> Credential:
    """Parse a credential of that kind, which must be the caller's own."""
    try:
        token = Credential.parse(text)
    except InvalidInput as error:
        raise Refusal("malformed", error.message, name) from None
    if token.kind != kind:
        raise Refusal("not_allowed", f"a {token.kind} credential was shown, not a {kind} token", name)
    if token.name != name:
        raise Refusal("wrong_name", f"{name!r} has shown a credential of {token.name!r}", name)
    return token


def _unauthenticated(refusal: Refusal) -> Unauthenticated:
    return Unauthenticated(_TOLD.get(refusal.reason, _NOT_TOLD), field="token")
