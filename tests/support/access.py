"""The master's doors over a real database: everything that the authenticator and the enrolment are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fleetfold_broker.identity.grants import LoginData
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.access_tokens import AccessTokens
from fleetfold_master.access.api_keys import ApiKeys
from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.access.auth_callout import Authenticator
from fleetfold_master.access.credential_services import LoginServices
from fleetfold_master.access.enrolment import Enrolment
from fleetfold_master.access.invitations import Invitations
from fleetfold_master.access.join_requests import JoinRequests
from fleetfold_master.access.node_sessions import Sessions
from fleetfold_master.access.rate_limits import Failures, Limits
from fleetfold_master.access.rejected_logins import RejectionLog
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_master.events import Event
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.nodes.node_rows import NodeRows
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.messages import (
    AuditEntry,
    AuditList,
    Enrol,
    JoinRequest,
    KeyCreate,
    KeyCreated,
    Message,
    NodeDescription,
    NodeInvite,
    Refresh,
    Tokens,
    encode,
)

__all__ = ["ACCESS_S", "HOST", "REFRESH_S", "Doors", "description", "open_doors", "unknown"]

HOST = "192.0.2.7"
REFRESH_S = 30 * 86_400.0
ACCESS_S = 3600


class _Endpoints(RequestServer):
    """Keeps the handlers it is to serve, in place of a bus."""

    def __init__(self, handlers: dict[str, Handler]) -> None:
        self.handlers = handlers

    async def serve(self, verb: str, subject: str, handler: Handler, **_options: object) -> None:
        self.handlers[verb] = handler


class Doors:
    """One master's doors. `alive` are the names that answer a probe; `published` is what it has told of."""

    def __init__(self, store: Store, folder: Path, clock: ManualClock, *, pending: bool = True) -> None:
        self.store, self.clock, self.alive = store, clock, set[str]()
        self.published: list[Event] = []
        self.audit = AuditLog(store, clock)
        self.tokens = AccessTokens(SigningKeys.load(folder / "keys", {}, clock), clock, "fleet", ACCESS_S)
        self.sessions = Sessions(
            store, clock, self.tokens, self.audit, REFRESH_S, publish=self._hear, announce=self._announce
        )
        self.invites = Invitations(store, clock)
        self.registry = Registry(NodeRows(store), Presence(clock, 5.0), clock, "1.0")
        self.keys = ApiKeys(store, clock, lambda name: self.registry.find(name) is not None, self._announce)
        self.join_requests = JoinRequests(store, clock, self.registry, self.sessions, self._announce)
        self.failures = Failures(30, clock)
        self.rejections = RejectionLog(self.audit, clock)
        services = LoginServices(
            self.tokens, self.sessions, self.invites, self.keys, self.registry, self.failures, self.rejections,
            clock, pending=pending,
        )  # fmt: skip
        self.authenticator = Authenticator(services)
        self._enrolment = Enrolment(
            Subjects(), services, self.join_requests, Limits({"child": 60}, clock), self.audit,
            live=self._is_alive, where=self.authenticator.where,
        )  # fmt: skip
        self.handlers: dict[str, Handler] = {}

    def _hear(self, event: Event) -> None:
        self.published.append(event)

    async def _announce(self, event: Event) -> None:
        self.published.append(event)

    async def load(self) -> None:
        """What a master does at its start."""
        await self.registry.load()
        await self.sessions.load()
        await self.keys.load()
        await self.join_requests.load()
        await self._enrolment.start(_Endpoints(self.handlers))

    async def close(self) -> None:
        """Write what waits."""
        await self.audit.close()

    async def send(self, verb: str, name: str, message: Message) -> Message | None:
        """A request on `fleet.join.<name>.<verb>`."""
        handler = self.handlers[f"join.{verb}"]
        return await handler(Call(verb=f"join.{verb}", identity=name, body=encode(message)))

    async def enrol(self, name: str, token: str, claim: str = "claim") -> Tokens:
        """Use a join token."""
        answer = await self.send("enrol", name, Enrol(token=token, claim=claim))
        assert isinstance(answer, Tokens)
        return answer

    async def refresh(self, name: str, token: str, attempt: str = "attempt") -> Tokens:
        """Use a refresh token."""
        answer = await self.send("refresh", name, Refresh(token=token, attempt=attempt))
        assert isinstance(answer, Tokens)
        return answer

    async def request_to_join(self, name: str, claim: str = "claim") -> Message | None:
        """Ask to be let in."""
        return await self.send("request", name, JoinRequest(claim=claim, description=description()))

    async def member(self, name: str) -> Tokens:
        """Invite a node and let it use the token."""
        return await self.enrol(name, await self.invite(name))

    async def invite(self, name: str, *, uses: int = 1, expires_s: float = 3600.0) -> str:
        """A join token."""
        ask = NodeInvite(node=name, uses=uses, expires_s=expires_s)
        return (await self.invites.create(ask, "ops")).token

    async def key(self, name: str = "ci", **what: object) -> KeyCreated:
        """An API key."""
        return await self.keys.create(KeyCreate(name=name, **what), "ops")  # type: ignore[arg-type]  # the test's own

    async def knock(self, name: str, token: str, host: str = HOST) -> object:
        """Connect."""
        return await self.authenticator.admit(LoginData(name=name, token=token, host=host))

    async def log(self, **filters: object) -> list[AuditEntry]:
        """The audit log."""
        return (await self.audit.list(AuditList(**filters))).entries  # type: ignore[arg-type]  # the test's own

    async def _is_alive(self, name: str) -> bool:
        return name in self.alive


def description(version: str = "1.0", **labels: str) -> NodeDescription:
    """What a node says of itself."""
    return NodeDescription(incarnation="i1", version=version, labels=labels)


def unknown(kind: str, name: str) -> str:
    """A well-formed credential that nobody has issued."""
    return Credential.mint(kind, name).text  # type: ignore[arg-type]  # the test's own


@asynccontextmanager
async def open_doors(folder: Path, *, pending: bool = True) -> AsyncIterator[Doors]:
    """The doors of a new master on the store in `folder`."""
    store = await Store.open(f"sqlite:///{folder}/master.db")
    doors = Doors(store, folder, ManualClock(), pending=pending)
    await doors.load()
    try:
        yield doors
    finally:
        await doors.close()
        await store.close()
