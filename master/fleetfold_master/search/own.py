"""The master's own collections: searched beside the nodes', and all there is when no node can answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from fleetfold_broker.gather import Answer
from fleetfold_master.store import StoredNode
from fleetfold_shared import __version__
from fleetfold_shared.analysis import ANALYZER
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

__all__ = ["Own", "OwnCollections"]

Gather = Callable[[str, Collection[str], bytes, float], Awaitable[dict[str, Answer]]]


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

    async def statistics(self, ask: StatisticsAsk) -> StatisticsChunk:
        """As a node would tell them."""
        return self._collections.statistics(ask)

    def beside(self, gather: Gather) -> Gather:
        """`gather` for nodes, with the own collections searched at the same time if they are among them."""

        async def both(verb: str, nodes: Collection[str], data: bytes, timeout_s: float) -> dict[str, Answer]:
            if MASTER not in nodes or verb != "search":
                return await gather(verb, nodes, data, timeout_s)
            mine = asyncio.create_task(self._search(data, timeout_s))
            try:
                answers = await gather(verb, [name for name in nodes if name != MASTER], data, timeout_s)
                return {**answers, **await mine}
            finally:
                mine.cancel()

        return both

    async def _search(self, data: bytes, timeout_s: float) -> dict[str, Answer]:
        """Its answer, as one that came; none when the time is over."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                answer = encode(await self._collections.search(decode(data, SearchAsk)))
        except TimeoutError:
            return {}
        except FleetfoldError as error:
            return {MASTER: Answer(_ms_since(started), error=error)}
        return {MASTER: Answer(_ms_since(started), answer)}


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
