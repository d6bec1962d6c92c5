"""The master's own collections: searched beside the nodes', and all there is when no node can answer."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared import __version__
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.ids import MASTER
from fleetfold_shared.messages import (
    CollectionInfo,
    NodeDescription,
    SearchAnswer,
    SearchAsk,
    StatisticsAsk,
    StatisticsChunk,
    decode,
    encode,
)
from fleetfold_shared.text.analysis import ANALYZER

__all__ = ["Own", "OwnCollections"]


class OwnCollections(Protocol):
    """Collections in the master's process. A node's are behind the bus, these are not; otherwise they are the same."""

    @property
    def incarnation(self) -> str:
        """New at each start."""

    @property
    def embedder(self) -> str:
        """Who made their vectors."""

    def infos(self) -> list[CollectionInfo]:
        """What there is."""

    async def search(self, ask: SearchAsk) -> SearchAnswer:
        """The top k; it answers with an error rather than raise one."""

    def statistics(self, ask: StatisticsAsk) -> StatisticsChunk:
        """What changed in the statistics of one collection."""


class Own:
    """Has the own collections stand among the nodes of a search, under the name `master`."""

    def __init__(self, collections: OwnCollections) -> None:
        self._collections = collections

    def node(self) -> StoredNode:
        """As a node among others: it is always there."""
        return StoredNode(name=MASTER, state="active", description=self.description(), registered_at=0.0)

    def description(self) -> NodeDescription:
        """As a node would describe itself."""
        own = self._collections
        return NodeDescription(
            incarnation=own.incarnation, version=__version__, type="master", analyzer=ANALYZER, embedder=own.embedder,
            collections=own.infos(),
        )  # fmt: skip

    def names(self) -> list[str]:
        """Of the collections."""
        return [one.name for one in self._collections.infos()]

    async def statistics(self, ask: StatisticsAsk) -> StatisticsChunk:
        """As a node would tell them."""
        return self._collections.statistics(ask)

    async def answer(self, data: bytes, timeout_s: float) -> ScatterReply | None:
        """What they answer to an encoded `SearchAsk`, as one that came from a node; `None` when the time is over."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                answer = encode(await self._collections.search(decode(data, SearchAsk)))
        except TimeoutError:
            return None
        except FleetfoldError as error:
            return ScatterReply(_ms_since(started), error=error)
        return ScatterReply(_ms_since(started), answer)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
