"""Credential renewal: a node obtains credentials, presents them, and renews them before they end, without interrupting
work.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext

import structlog

from fleetfold_child.enrolment.credential_store import CredentialStore, TokenPair
from fleetfold_child.enrolment.enrolment_client import EnrolmentClient, JoinCall
from fleetfold_child.enrolment.master_retry import deliver_lost_cancellation, wait_for_master
from fleetfold_shared.backoff import HALF, Backoff, Jitter
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.credential_format import fingerprint
from fleetfold_shared.errors import FleetfoldError, Forbidden, Unauthenticated
from fleetfold_shared.messages import (
    CAPABILITIES,
    Capability,
    Enrol,
    JoinRequest,
    JoinRequestReply,
    NodeDescription,
    Refresh,
    Tokens,
)  # fmt: skip

__all__ = ["CredentialRenewal"]

log = structlog.get_logger(__name__)

Invite = Callable[[], Awaitable[str | None]]
"""Returns a join token, if one can be obtained now."""

RENEWED_FROM, RENEWED_TO = 0.75, 0.85
"""Part of its lifetime after which an access token is renewed; a range, so that many nodes do not come at once."""
MARGIN_S = 2.0
"""Least seconds for a renewal, or half of a very short lifetime: the broker counts in whole seconds."""
POLL = Jitter(1.5, 2.0)
"""Part of the pause that a master asks for between two looks at a join request: never less than all of it."""
REFUSED = Backoff.constant(30.0, HALF)
"""Pause after a refusal: an operator may admit the node again."""


class CredentialRenewal:
    """The credentials of one node, for its connection.

    Each request is made with a stored secret, so that a lost reply can be requested again.
    """

    def __init__(self, name: str, store: CredentialStore, client: EnrolmentClient, clock: Clock | None = None) -> None:
        self._name, self._store, self._client = name, store, client
        self._clock = clock or SystemClock()
        self._renewal_lock = asyncio.Lock()
        self._shown = ""
        self._refused = False
        self._next_request_at = 0.0

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Capabilities granted to the node."""
        pair = self._store.pair
        return frozenset(CAPABILITIES) if pair is None else pair.capabilities

    @property
    def has_credentials(self) -> bool:
        """Whether the node was ever enrolled."""
        return self._store.pair is not None

    @property
    def unanswered_join_token(self) -> str | None:
        """A join token that was used without a reply."""
        joining = self._store.joining
        return None if joining is None else joining.token

    def token(self) -> str:
        """Return the access token, for the connection."""
        pair = self._store.pair
        self._shown = pair.access if pair else ""
        return self._shown

    async def refused(self) -> None:
        """Handle a refused access token: get new tokens for the refresh token.

        Raises `Unauthenticated`, with the remedy, when that is refused too; it is then not repeated at once.
        """
        pair = self._store.pair
        if self._refused and self._clock.monotonic() < self._next_request_at:
            return
        if pair is not None and pair.access == self._shown:
            await self._renew(pair, self._client.enter(pair.refresh))

    async def renew_if_expired(self) -> None:
        """Renew an expired access token before the broker refuses it. Raises as `refused` does."""
        pair = self._store.pair
        if pair is not None and not self._store.remaining_s:
            await self._renew(pair, self._client.enter(pair.refresh))

    async def enrol(self, token: str) -> None:
        """Redeem a join token. Waits for a master. Raises `Unauthenticated` for a token that is not or no longer
        valid.
        """
        joining = await self._store.join(token)

        async def attempt() -> Tokens:
            async with self._client.enter(joining.token) as ask:
                return await ask("enrol", Enrol(token=joining.token, claim=joining.claim), Tokens)

        try:
            tokens = await wait_for_master(attempt, "node.awaiting_master", self._clock)
        except Unauthenticated as error:
            raise Unauthenticated(
                f"join: this token does not let {self._name!r} in: {_why(error)}; "
                f"`fleetfold nodes invite {self._name}` on the master's machine gives another",
                field="join",
            ) from None
        await self._keep(tokens)
        log.info("node.enrolled", capabilities=sorted(tokens.capabilities))

    async def request_to_join(self, description: NodeDescription, invite: Invite) -> str | None:
        """Request approval without a token, until an operator approves it, or until `invite`, called before each
        attempt, returns a join token, which is returned. Waits for a master. Raises `Unauthenticated` where this is not
        allowed.
        """
        credential = await self._store.join_request()
        request = JoinRequest(claim=credential.secret, description=description)
        logged, shown = False, fingerprint(credential.secret)

        async def attempt() -> Tokens | str:
            nonlocal logged
            if (invited := await invite()) is not None:
                return invited
            async with self._client.enter(credential.text) as ask:
                while (answer := await ask("request", request, JoinRequestReply)).tokens is None:
                    if not logged:
                        log.warning("node.awaiting_approval", node=self._name, fingerprint=shown)
                    logged = True
                    await self._clock.sleep(POLL.apply(answer.retry_after_s))
                    if (invited := await invite()) is not None:
                        return invited
                return answer.tokens

        try:
            tokens = await wait_for_master(attempt, "node.awaiting_master", self._clock)
        except Unauthenticated:
            if (invited := await wait_for_master(invite, "node.awaiting_master", self._clock)) is not None:
                return invited  # a master stores its key before it answers requests
            raise Unauthenticated(
                f"{self._name}: it has no credentials, and this fleet lets nobody in without; "
                f"`fleetfold nodes invite {self._name}` on the master's machine gives a token for --join",
                field="join",
            ) from None
        if isinstance(tokens, str):
            return tokens
        await self._keep(tokens)
        log.info("node.approved", capabilities=sorted(tokens.capabilities))
        return None

    async def keep_renewed(self, ask: JoinCall, reconnect: Callable[[], Awaitable[None]]) -> None:
        """Renew for ever: request new tokens over the present connection, then `reconnect` with them,
        make-before-break.

        Waits for masters that are away, past the token's end if necessary. A refusal is logged once, and retried.
        """
        while True:
            deliver_lost_cancellation()
            await self._clock.sleep(self._due_in_s())
            try:
                await self._renew_and_show(ask, reconnect)
            except FleetfoldError as error:
                self._log_refusal(error)
                await self._clock.sleep(REFUSED.delay_s(1))

    def _due_in_s(self) -> float:
        pair = self._store.pair
        lifetime_s = pair.lifetime_s if pair else 0.0
        place = random.uniform(RENEWED_FROM, RENEWED_TO)  # noqa: S311 (jitter, not a secret)
        early_s = max(lifetime_s * (1 - place), min(MARGIN_S, lifetime_s / 2))
        return max(0.0, self._store.remaining_s - early_s)

    async def _renew_and_show(self, ask: JoinCall, reconnect: Callable[[], Awaitable[None]]) -> None:
        pair = self._store.pair
        assert pair is not None
        await wait_for_master(lambda: self._renew(pair, nullcontext(ask)), "node.renewal_delayed", self._clock)
        await wait_for_master(reconnect, "node.reconnect_delayed", self._clock)

    async def _renew(self, pair: TokenPair, way: AbstractAsyncContextManager[JoinCall]) -> None:
        """Exchange `pair` for new tokens, unless that was done meanwhile."""
        async with self._renewal_lock:
            if self._store.pair is not pair:
                return
            try:
                request = Refresh(token=pair.refresh, attempt=await self._store.attempt())
                async with way as ask:
                    tokens = await ask("refresh", request, Tokens)
            except (Unauthenticated, Forbidden) as error:
                self._next_request_at = self._clock.monotonic() + REFUSED.delay_s(1)
                raise self._log_refusal(error if isinstance(error, Forbidden) else self._lost(error)) from None
            await self._keep(tokens)

    async def _keep(self, tokens: Tokens) -> None:
        await self._store.keep(tokens)
        if self._refused:
            log.info("node.credentials_accepted", node=self._name)
        self._refused = False

    def _lost(self, error: Unauthenticated) -> Unauthenticated:
        return Unauthenticated(
            f"{self._name}: its credentials do not let it in any more: {_why(error)}; unless an operator has set it "
            f"inactive, `fleetfold nodes invite {self._name}` on the master's machine gives a token for --join"
        )

    def _log_refusal(self, error: FleetfoldError) -> FleetfoldError:
        """Log a refusal, once."""
        if not self._refused:
            log.error("node.refused", node=self._name, reason=error.message)
        self._refused = True
        return error


def _why(error: Unauthenticated) -> str:
    """Return the reason alone; the remedy is added where the node's name is known."""
    return error.message.removeprefix("token: ").partition(";")[0]
