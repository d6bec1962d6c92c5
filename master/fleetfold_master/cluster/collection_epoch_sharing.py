"""Sharing of epochs: what a result reports about its node's collections is told to the peers before anybody hears of
the result.

So whoever has the answer to an index action finds no older document in any master's cache. That is why `tell` is an
awaited call, and no subscriber of an event.
"""

from __future__ import annotations

from fleetfold_master.cluster.peer_messages import RaisedEpochs
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.search import CollectionVersions
from fleetfold_shared.messages import CommandResult

__all__ = ["EpochSharing"]


class EpochSharing:
    """Tells the peers of raised epochs, and records what they tell. Without peers it costs nothing."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def start(self, versions: CollectionVersions) -> None:
        """Record in `versions` what the peers tell."""

        def heard(raised: RaisedEpochs) -> None:
            versions.record(raised.node, raised.incarnation, raised.epochs)

        await self._peers.hear("epochs", RaisedEpochs, heard)

    async def tell(self, node: str, result: CommandResult) -> None:
        """Tell the peers of the epochs that a result has raised."""
        if self._peers.others:
            raised = RaisedEpochs(node=node, incarnation=result.incarnation, epochs=result.epochs)
            await self._peers.say("epochs", raised)
