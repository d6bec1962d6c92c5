"""Self-invitation of a node that finds the fleet's admin key on its machine, so that beginners need no join token."""

from __future__ import annotations

import structlog

from fleetfold.client import Client
from fleetfold.credentials import find_key
from fleetfold_shared.errors import Forbidden, Unauthenticated

__all__ = ["LocalInvitation"]

log = structlog.get_logger(__name__)

EXPIRES_S = 300.0


class LocalInvitation:
    """Invites the node `name`, with the API key found here for the broker at `url`.

    Call it again while the node waits: a master that starts later stores its key then.
    """

    def __init__(self, name: str, url: str, prefix: str, ca: str | None) -> None:
        self._name, self._url, self._prefix, self._ca = name, url, prefix, ca
        self._refused = ""

    async def __call__(self) -> str | None:
        """A join token; None without a key here that may invite. Raises `Unavailable` without a master."""
        key = find_key(self._url)
        if key is None or key == self._refused:
            return None
        try:
            async with Client.connect(self._url, key=key, prefix=self._prefix, ca=self._ca) as fleet:
                return (await fleet.nodes.invite(self._name, expires_s=EXPIRES_S)).token
        except (Unauthenticated, Forbidden) as error:
            self._refused = key
            log.warning("child.not_invited", reason=error.message)
            return None
