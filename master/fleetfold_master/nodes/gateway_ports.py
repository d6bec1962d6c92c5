"""Ports of the node gateway: its way to the nodes, and what the rest of the master does at its events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.message_seals import UNSEALED, Seals
from fleetfold_broker.jetstream.topology import Topology
from fleetfold_broker.rpc.scatter import ScatterClient
from fleetfold_master.events import Publish, publish_to_nobody
from fleetfold_master.nodes.replaced_processes import Refuses, refuse_none
from fleetfold_shared.messages import CommandResult

__all__ = ["BeforeRemoval", "GatewayHooks", "NodeChannel", "TellEpochs"]

BeforeRemoval = Callable[[str], Awaitable[None]]
"""Awaited with each node that is about to be removed, while its queue still exists: an event would come too late."""
TellEpochs = Callable[[str, CommandResult], Awaitable[None]]
"""Awaited with a result that raises its node's epochs, before anybody is told of the result: see `EpochSharing`."""


async def _nothing(_node: str) -> None:
    """Default of `BeforeRemoval`: do nothing."""


async def _nobody(_node: str, _result: CommandResult) -> None:
    """Default of `TellEpochs`: there are no peers."""


@dataclass(frozen=True, slots=True)
class NodeChannel:
    """The way to the nodes: requests to one or many, their streams and consumers, and the seal on what is sent."""

    bus: Bus
    gatherer: ScatterClient
    topology: Topology
    seals: Seals = UNSEALED


@dataclass(frozen=True, slots=True)
class GatewayHooks:
    """What the gateway calls in the rest of the master.

    `alone`: whether this master has no peers, which might know more of a node. `refuses` says which processes were
    replaced by a newer one of the same name.
    """

    before_removal: BeforeRemoval = _nothing
    tell_epochs: TellEpochs = _nobody
    alone: Callable[[], bool] = lambda: True
    publish: Publish = publish_to_nobody
    refuses: Refuses = refuse_none
