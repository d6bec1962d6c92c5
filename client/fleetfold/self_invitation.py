"""Self-invitation of a node that finds the fleet's admin key on its machine, so that beginners need no join token."""

from __future__ import annotations

import structlog

from fleetfold.caller import Caller
from fleetfold.connecting import connect_bus
from fleetfold.credentials import find_key
from fleetfold_shared import verbs
from fleetfold_shared.errors import Forbidden, Unauthenticated
from fleetfold_shared.messages import CAPABILITIES, NodeInvite

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
            return await self._invite(key)
        except (Unauthenticated, Forbidden) as error:
            self._refused = key
            log.warning("child.not_invited", reason=error.message)
            return None

    async def _invite(self, key: str) -> str:
        """Ask as the key's identity, without a `Client`: a node that is up would keep all of it in memory."""
        bus = await connect_bus(self._url, name=None, key=key, ca=self._ca, prefix=self._prefix)
        try:
            request = NodeInvite(node=self._name, expires_s=EXPIRES_S, uses=1, capabilities=CAPABILITIES)
            return (await Caller(bus).ask(verbs.nodes.INVITE, request)).token
        finally:
            await bus.close()
