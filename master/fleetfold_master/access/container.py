"""The container of the access services of one master, over the store that all masters share."""

from __future__ import annotations

import asyncio

import structlog

from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.access_tokens import AccessTokens
from fleetfold_master.access.api_keys import ApiKeys
from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.access.auth_callout import Authenticator
from fleetfold_master.access.authorizer import Authorizer, LookAgain, OpenAuthorizer, Principal, not_again
from fleetfold_master.access.credential_services import LoginServices
from fleetfold_master.access.enrolment import Enrolment, Live
from fleetfold_master.access.invitations import Invitations
from fleetfold_master.access.join_requests import JoinRequests
from fleetfold_master.access.node_sessions import Sessions
from fleetfold_master.access.rate_limits import Failures, Limits
from fleetfold_master.access.rejected_logins import RejectionLog
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_master.events import (
    Announce,
    Publish,
    SigningKeyRotated,
    announce_to_nobody,
    publish_to_nobody,
)
from fleetfold_master.nodes import Registry
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.config import AccessConfig, RetentionConfig
from fleetfold_shared.messages import SigningRotated
from fleetfold_shared.redaction import Redactor

__all__ = ["AccessContainer"]

log = structlog.get_logger(__name__)


class AccessContainer:
    """The services by name. Call `load` before use, `start` to serve enrolment, and `close` at the end."""

    # The parameters are what the services are made from, each once: a value object would only list them again.
    def __init__(
        self, store: Store, registry: Registry, signing: SigningKeys, config: AccessConfig, subjects: Subjects,
        clock: Clock, live: Live, retention: RetentionConfig | None = None, redact: Redactor | None = None, *,
        look_again: LookAgain = not_again, publish: Publish = publish_to_nobody,
        announce: Announce = announce_to_nobody,
    ) -> None:  # fmt: skip
        failures = Failures(config.failed_joins_per_minute, clock)
        self.signing, self._registry, self._announce = signing, registry, announce
        self.audit = AuditLog(store, clock, retention, redact)
        self.tokens = AccessTokens(signing, clock, subjects.prefix, config.access_s)
        self.sessions = Sessions(
            store, clock, self.tokens, self.audit, config.refresh_s, publish=publish, announce=announce
        )
        self.invites = Invitations(store, clock)
        self.keys = ApiKeys(
            store, clock, lambda name: self.sessions.has(name) or registry.find(name) is not None, announce
        )
        self.join_requests = JoinRequests(store, clock, registry, self.sessions, announce)
        self.limits = Limits({}, clock) if config.insecure else Limits.of(config, clock)
        self.authorizer = OpenAuthorizer() if config.insecure else Authorizer(self._identity, look_again)
        self._rejections = RejectionLog(self.audit, clock)
        services = LoginServices(
            self.tokens, self.sessions, self.invites, self.keys, registry, failures, self._rejections, clock,
            pending=config.pending,
        )  # fmt: skip
        self.authenticator = Authenticator(services)
        self._enrolment = Enrolment(
            subjects, services, self.join_requests, self.limits, self.audit, live=live, where=self.authenticator.where
        )

    async def load(self) -> None:
        """Load all rows."""
        await self.sessions.load()
        await self.keys.load()
        await self.join_requests.load()

    async def start(self, service: RequestServer) -> None:
        """Serve enrolment."""
        await self._enrolment.start(service)

    async def rotate_signing_key(self, overlap_s: float) -> SigningRotated:
        """Sign with a new key, on all masters before this returns. Raises `Conflict` as `SigningKeys.rotate` does."""
        rotated = await asyncio.to_thread(self.signing.rotate, overlap_s)
        await self._announce(SigningKeyRotated(rotated.kid))
        return rotated

    def must_be_disconnected(self, name: str) -> bool:
        """Whether a known node must not be connected: it is inactive, or its session has ended."""
        node = self._registry.find(name)
        if node is None or self.keys.find(name) is not None:
            return False
        return node.state == "inactive" or not self.sessions.has(name)

    async def save(self) -> None:
        """A periodic task: write what may be written with a delay."""
        await self.keys.save()
        self._rejections.settle()

    async def prune(self) -> None:
        """A periodic task: delete what ended long ago."""
        for room in (self.sessions, self.invites, self.join_requests, self.audit):
            await room.prune()

    async def close(self) -> None:
        """Write what is waiting."""
        for room in (self.sessions, self.keys, self.join_requests, self.audit):
            await room.close()

    def _identity(self, name: str) -> Principal | None:
        """The present identity behind a name: of a valid API key, or a node with a session."""
        key = self.keys.find(name)
        if key is not None:
            return Principal(name, key.role, key.scopes)
        return Principal(name, "child") if self.sessions.has(name) else None
