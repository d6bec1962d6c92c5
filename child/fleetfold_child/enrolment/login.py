"""Login of a node at its start: with stored credentials, or by enrolment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_child.enrolment.master_retry import wait_for_master
from fleetfold_child.enrolment.renewal import CredentialRenewal
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput, Unauthenticated
from fleetfold_shared.messages import NodeDescription

__all__ = ["check_join_token", "log_in"]

log = structlog.get_logger(__name__)

WAITING = "node.awaiting_master"


async def log_in(
    membership: CredentialRenewal,
    connect: Callable[[], Awaitable[Bus]],
    description: NodeDescription,
    *,
    token: Callable[[], str | None],
    invite: Callable[[], Awaitable[str | None]],
) -> Bus:
    """Connect the node by `connect`, which uses the membership's credentials. Waits for a master.

    Stored credentials are tried first, and `token` is not called when they are accepted. Otherwise the join token of
    `token` is used; else one from `invite`, now or later; else the node requests approval. Raises `Unauthenticated`
    with the remedy.
    """
    if membership.has_credentials:
        try:
            return await _reconnect(membership, connect)
        except Unauthenticated:
            if token() is None:
                raise
            log.info("node.enrolling_again")
    await _enrol(membership, description, token(), invite)
    return await wait_for_master(connect, WAITING)


def check_join_token(text: str | None, name: str) -> str | None:
    """Return `text` if it is a join token for `name`. Raises `InvalidInput`, which does not repeat it."""
    if text is None:
        return None
    credential = Credential.parse(text, "join")
    if credential.kind != "join":
        raise InvalidInput("join: this is not a join token; `fleetfold nodes invite NAME` prints one", field="join")
    if credential.name != name:
        raise InvalidInput(f"join: this token lets in the node {credential.name!r}, not {name!r}", field="join")
    return credential.text


async def _reconnect(membership: CredentialRenewal, connect: Callable[[], Awaitable[Bus]]) -> Bus:
    async def attempt() -> Bus:
        await membership.renew_if_expired()
        return await connect()

    return await wait_for_master(attempt, WAITING)


async def _enrol(
    membership: CredentialRenewal,
    description: NodeDescription,
    token: str | None,
    invite: Callable[[], Awaitable[str | None]],
) -> None:
    if token is not None:
        await membership.enrol(token)
    elif not await _retry_enrolment(membership):
        invited = await wait_for_master(invite, WAITING) or await membership.request_to_join(description, invite)
        if invited is not None:
            await membership.enrol(invited)


async def _retry_enrolment(membership: CredentialRenewal) -> bool:
    """Retry a join token used before the process died; return whether it was accepted."""
    if membership.unanswered_join_token is None:
        return False
    try:
        await membership.enrol(membership.unanswered_join_token)
    except Unauthenticated as error:
        log.warning("node.enrolment_rejected", reason=error.message)
        return False
    return True
