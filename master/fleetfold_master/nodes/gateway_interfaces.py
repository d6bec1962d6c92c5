"""Ports of the node gateway: its way to the nodes, and what the rest of the master does at its events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.message_seals import UNSEALED, Seals
from fleetfold_broker.jetstream.topology import Topology
from fleetfold_broker.rpc.scatter import ScatterClient
from fleetfold_master.events import Publish, publish_to_nobody
from fleetfold_master.nodes.replaced_processes import Refuses, refuse_none
from fleetfold_shared.messages import CommandResult, MasterMark

__all__ = ["BeforeRemoval", "GatewayHooks", "NodeChannel", "OpenWork", "TellEpochs"]

BeforeRemoval = Callable[[str], Awaitable[None]]
"""Awaited with each node that is about to be removed, while its queue still exists: an event would come too late."""
TellEpochs = Callable[[str, CommandResult], Awaitable[None]]
"""Awaited with a result that raises its node's epochs, before anybody is told of the result: see `EpochSharing`."""


async def _nothing(_node: str) -> None:
    """Default of `BeforeRemoval`: do nothing."""


OpenWork = Callable[[str], Awaitable[Sequence[str]]]
"""Returns some of the open jobs and transactions that need a node."""


async def _nothing_open(_node: str) -> Sequence[str]:
    """Default of `OpenWork`: there is none."""
    return ()


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
    replaced by a newer one of the same name. `mark` is reported to nodes. `open_on` returns open work of a node.
    """

    before_removal: BeforeRemoval = _nothing
    tell_epochs: TellEpochs = _nobody
    alone: Callable[[], bool] = lambda: True
    publish: Publish = publish_to_nobody
    refuses: Refuses = refuse_none
    mark: Callable[[], MasterMark | None] = lambda: None
    open_on: OpenWork = _nothing_open
