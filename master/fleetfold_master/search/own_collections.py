"""The master's own collections: searched beside the nodes', and the only ones when no node can answer."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.scatter.response_reading import checked_response
from fleetfold_master.search.shard_response import ShardResponse, ShardResponses
from fleetfold_shared import __version__
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.ids import MASTER
from fleetfold_shared.messages import (
    CollectionInfo,
    NodeDescription,
    SearchAnswer,
    SearchRequest,
    StatisticsChunk,
    StatisticsRequest,
)
from fleetfold_shared.text.analysis import ANALYZER

__all__ = ["OwnCollections", "OwnNode"]


class OwnCollections(Protocol):
    """Collections in the master's process; like a node's, but not behind the bus."""

    @property
    def incarnation(self) -> str:
        """The incarnation: new at each start."""

    @property
    def embedder(self) -> str:
        """The embedder of their vectors."""

    def infos(self) -> list[CollectionInfo]:
        """Descriptions of the collections."""

    async def search(self, ask: SearchRequest) -> SearchAnswer:
        """The top k; errors are returned in the response, never raised."""

    def statistics(self, ask: StatisticsRequest) -> StatisticsChunk:
        """The changes of one collection's statistics."""


class OwnNode:
    """Presents the own collections as a node of the search, named `master`."""

    def __init__(self, collections: OwnCollections) -> None:
        self._collections = collections

    def node(self) -> StoredNode:
        """The node record; it is always up."""
        return StoredNode(name=MASTER, state="active", description=self.description(), registered_at=0.0)

    def description(self) -> NodeDescription:
        """The node description."""
        own = self._collections
        return NodeDescription(
            incarnation=own.incarnation, version=__version__, type="master", analyzer=ANALYZER, embedder=own.embedder,
            collections=own.infos(),
        )  # fmt: skip

    def names(self) -> list[str]:
        """The collections' names."""
        return [one.name for one in self._collections.infos()]

    async def statistics(self, ask: StatisticsRequest) -> StatisticsChunk:
        """The statistics, as a node would send them."""
        return self._collections.statistics(ask)

    async def answer(self, ask: SearchRequest, timeout_s: float) -> ShardResponses:
        """The response to a shard request, checked as a node's is; it is searched in this process, without encoding."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._collections.search(ask)
        except TimeoutError:
            return {MASTER: ShardResponse.silent(MASTER)}
        except FleetfoldError as error:
            return {MASTER: ShardResponse.failed(MASTER, error, _ms_since(started))}
        return {MASTER: checked_response(MASTER, answer, _ms_since(started), ask, self.names())}


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
