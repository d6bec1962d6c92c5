"""How a node gets in at its start: with the credentials it has, or with its first ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_child.enrolment.master_retry import patiently
from fleetfold_child.enrolment.renewal import CredentialRenewal
from fleetfold_shared.credentials import Credential
from fleetfold_shared.errors import InvalidInput, Unauthenticated
from fleetfold_shared.messages import NodeDescription

__all__ = ["arrive", "check_join_token"]

log = structlog.get_logger(__name__)

WAITING = "node.waits_for_a_master"


async def arrive(
    membership: CredentialRenewal,
    connect: Callable[[], Awaitable[Bus]],
    description: NodeDescription,
    *,
    token: Callable[[], str | None],
    invite: Callable[[], Awaitable[str | None]],
) -> Bus:
    """The node's bus, by `connect`, which shows what the membership gives. Waits for a master.

    Credentials that are there come first, and `token`, which gives a join token, is not asked for it if they are good.
    Else it is used; else one that `invite` gets, now or later; else the node asks to be approved.
    `Unauthenticated` says what to do.
    """
    if membership.has_credentials:
        try:
            return await _come_back(membership, connect)
        except Unauthenticated:
            if token() is None:
                raise
            log.info("node.enrols_again")
    await _become_a_member(membership, description, token(), invite)
    return await patiently(connect, WAITING)


def check_join_token(text: str | None, name: str) -> str | None:
    """`text`, if it is a join token for `name`; else `InvalidInput`, which does not repeat it."""
    if text is None:
        return None
    credential = Credential.parse(text, "join")
    if credential.kind != "join":
        raise InvalidInput("join: this is not a join token; `fleetfold nodes invite NAME` prints one", field="join")
    if credential.name != name:
        raise InvalidInput(f"join: this token lets in the node {credential.name!r}, not {name!r}", field="join")
    return credential.text


async def _come_back(membership: CredentialRenewal, connect: Callable[[], Awaitable[Bus]]) -> Bus:
    async def attempt() -> Bus:
        await membership.freshen()
        return await connect()

    return await patiently(attempt, WAITING)


async def _become_a_member(
    membership: CredentialRenewal,
    description: NodeDescription,
    token: str | None,
    invite: Callable[[], Awaitable[str | None]],
) -> None:
    if token is not None:
        await membership.enrol(token)
    elif not await _answered(membership):
        invited = await patiently(invite, WAITING) or await membership.petition(description, invite)
        if invited is not None:
            await membership.enrol(invited)


async def _answered(membership: CredentialRenewal) -> bool:
    """Whether a token that was used before the process died has got its answer now."""
    if membership.unanswered is None:
        return False
    try:
        await membership.enrol(membership.unanswered)
    except Unauthenticated as error:
        log.warning("node.was_not_enrolled", reason=error.message)
        return False
    return True
