"""Health check of a node from its own machine, for containers: a master is asked with the node's own credentials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fleetfold.tls import find_tls
from fleetfold_shared.config import Config
from fleetfold_shared.errors import Unauthenticated, Unavailable
from fleetfold_shared.messages import NodeRecord

if TYPE_CHECKING:
    from fleetfold_child.enrolment.credential_store import TokenPair

__all__ = ["check_node"]


class _Shown:
    """The node's access token, as it is on its disk; only the node itself renews it."""

    def __init__(self, pair: TokenPair) -> None:
        self._pair = pair

    def token(self) -> str:
        return self._pair.access

    async def refused(self) -> None:
        """Do nothing: see the class."""


async def check_node(name: str, data: Path, url: str, config: Config) -> NodeRecord:
    """Return the master's record of the node whose data directory is `data`.

    Raises `Unauthenticated` while it is not enrolled or its credentials are refused, and `Unavailable` when the broker,
    the masters, or in their eyes the node itself are not well. A node in maintenance is well while it is heard.
    """
    from fleetfold.client import Client
    from fleetfold_broker.bus import Bus
    from fleetfold_broker.connection.info_probe import asks_for_credentials
    from fleetfold_broker.subjects import Subjects
    from fleetfold_child.enrolment.credential_store import CredentialStore

    shown = None
    if await asks_for_credentials(url):
        pair = CredentialStore.open(data, name).pair
        if pair is None:
            raise Unauthenticated(f"{name}: it has not been let in yet; see its log", field="name")
        shown = _Shown(pair)
    bus = await Bus.connect(url, name, Subjects(config.prefix), credential=shown, tls=find_tls(url, config.tls))
    async with Client(bus) as fleet:
        record = await fleet.nodes.get(name)
    if not (record.healthy or (record.state == "maintenance" and record.presence == "up")):
        why = f": {record.reason}" if record.reason else ""
        raise Unavailable(f"{name}: {record.state}, {record.presence}{why}; see its log", field="name")
    return record
