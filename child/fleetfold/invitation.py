"""A node that starts where its fleet's own admin key is invites itself, so that a beginner need not."""

from __future__ import annotations

import structlog

from fleetfold.client import Client
from fleetfold.credentials import find_key
from fleetfold_shared.errors import Forbidden, Unauthenticated

__all__ = ["invite_itself"]

log = structlog.get_logger(__name__)

EXPIRES_S = 300.0


async def invite_itself(name: str, url: str, prefix: str, ca: str | None) -> str | None:
    """A join token for `name`, got with the API key that is found here for the broker at `url`; `None` without one
    that may invite.
    """
    key = find_key(url)
    if key is None:
        return None
    try:
        async with await Client.connect(url, key=key, prefix=prefix, ca=ca) as fleet:
            return (await fleet.invite(name, expires_s=EXPIRES_S)).token
    except (Unauthenticated, Forbidden) as error:
        log.warning("child.not_invited", reason=error.message)
        return None
