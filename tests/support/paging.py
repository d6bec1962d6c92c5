"""For tests of paging: a federation over indexes in memory, without a broker, a store or a clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.collection_statistics import Statistics
from fleetfold_child.index.facets import add_up
from fleetfold_child.index.hit_fingerprints import with_fingerprints
from fleetfold_child.index.memory_index import MemoryIndex
from fleetfold_child.index.preparation import prepare
from fleetfold_child.index.shard_request import hit, read_ask
from fleetfold_child.index.shard_search import search_collections
from fleetfold_master.nodes import RequestHealth
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search import (
    Federation,
    LateAnswers,
    Planner,
    ReplicaSelector,
    Scatter,
    SearchableFleet,
    ShardClient,
)
from fleetfold_shared.messages import (
    CollectionExplained,
    CollectionInfo,
    FieldKind,
    Hit,
    NodeDescription,
    ScoredDocument,
    Search,
    Searched,
    SearchRequest,
    decode,
    encode,
)
from fleetfold_shared.query.facets import FacetCounter
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.embedding import Embedder, register_embedder
from fleetfold_shared.text.term_statistics import MergedCorpus
from support.rounds import rounds_of
from support.search import WordBag, statistics_of

__all__ = ["Lie", "PagedNode", "PagedNodes", "placed"]

Layout = Mapping[str, Mapping[str, Iterable[Document]]]


class PagedNode:
    """A collection in memory."""

    def __init__(self, name: str, embedder: Embedder | None = None) -> None:
        self.name, self.there, self.epoch = name, dict[str, Document](), 0
        self.alpha: float | None = None
        self.embedder = embedder or WordBag()
        self.index = MemoryIndex()
        self.statistics = statistics_of([])

    async def put(self, documents: Iterable[Document]) -> None:
        new = {one.id: one for one in documents}
        self.there |= new
        self.epoch += 1
        self.statistics = statistics_of(self.there.values())
        await self.index.apply(prepare(list(new.values()), self.embedder), ())

    async def search(
        self, ask: SearchRequest, node: str = "", totals: Sequence[FacetCounter] = ()
    ) -> tuple[list[ScoredDocument], bool]:
        found = await self.index.find(read_ask(ask, self.embedder, node, self.name, self.alpha))
        add_up(totals, found.facets)
        return [
            with_fingerprints(hit(self.name, one), one.document, one.vector, (), ask.dedup) for one in found.hits
        ], True

    async def search_explained(
        self, ask: SearchRequest, node: str = "", totals: Sequence[FacetCounter] = ()
    ) -> tuple[list[ScoredDocument], CollectionExplained]:
        found, size = await self.search(ask, node, totals), len(self.there)
        return found[0], CollectionExplained(self.name, size, size, True, self.epoch)

    async def kinds(self, fields: Sequence[str]) -> dict[str, set[FieldKind]]:
        return await self.index.kinds(fields)

    @property
    def corpus(self) -> Statistics:
        return self.statistics


Lie = Callable[[SearchRequest, Any], Any]
"""From an ask and the honest answer to it, as plain values, what is sent."""


class PagedNodes:
    """Nodes with collections: what a `Federation` needs of a registry, of presence, of statistics and of a bus."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.embedder = embedder or WordBag()
        register_embedder(self.embedder.name, lambda: self.embedder)
        self.nodes: dict[str, dict[str, PagedNode]] = {}
        self.silent: set[str] = set()
        self.asks: list[SearchRequest] = []
        self.forget_place = False
        self.lies: dict[str, Lie] = {}
        """What nodes send in the place of their answers."""
        self.embedders: dict[str, Embedder] = {}
        self.analyzers: dict[str, str] = {}
        held: Any = self
        health, late = RequestHealth(held), LateAnswers(None)
        replicas = ReplicaSelector(held, held, health)
        planner = Planner(SearchableFleet(held), held, replicas, health, self.embedder.name)
        client = ShardClient(rounds_of(self.gather), health, self.collections, late)
        self.federation = Federation(planner, Scatter(client, health), late)

    @classmethod
    async def holding(cls, layout: Layout) -> PagedNodes:
        made = cls()
        for node, collections in layout.items():
            for collection, documents in collections.items():
                await made.put(node, collection, documents)
        return made

    async def put(self, node: str, collection: str, documents: Iterable[Document]) -> None:
        await (
            self.nodes.setdefault(node, {})
            .setdefault(collection, PagedNode(collection, self.embedders.get(node, self.embedder)))
            .put(documents)
        )

    async def search(self, query: str, **options: Any) -> Searched:
        """As it comes to a caller: through the bytes of the messages. A busy machine has time enough."""
        ask = decode(encode(Search(query=query, **({"timeout_ms": 60_000} | options))), Search)
        return decode(encode(await self.federation.search(ask)), Searched)

    async def pages(self, query: str, sizes: Iterable[int], **options: Any) -> list[Searched]:
        """All pages, of these sizes in turn."""
        found: list[Searched] = []
        for size in sizes:
            cursor = found[-1].cursor if found else None
            found.append(await self.search(query, limit=size, cursor=cursor, **options))
            if found[-1].cursor is None:
                break
        return found

    async def gather(
        self, _verb: str, nodes: Collection[str], data: bytes, _timeout_s: float
    ) -> dict[str, ScatterReply]:
        ask = decode(data, SearchRequest)
        self.asks.append(ask)
        known: Any = self.nodes
        if self.forget_place:
            ask = decode(data.replace(b'"after"', b'"unknown"'), SearchRequest)
        answers = {node: await search_collections(known[node], ask, node) for node in nodes if node not in self.silent}
        sent = {node: msgspec.to_builtins(answer) for node, answer in answers.items()}
        for node in sent.keys() & self.lies.keys():
            sent[node] = self.lies[node](ask, sent[node])
        return {node: ScatterReply(1.0, msgspec.json.encode(answer)) for node, answer in sent.items()}

    def all(self) -> list[StoredNode]:
        return [self.get(name) for name in self.nodes]

    def get(self, name: str) -> StoredNode:
        description = NodeDescription(
            incarnation="i1", version="1.0", analyzer=self.analyzers.get(name, ANALYZER),
            embedder=self.embedders.get(name, self.embedder).name,
            collections=[
                CollectionInfo(one.name, epoch=one.epoch, alpha=one.alpha) for one in self.nodes[name].values()
            ],
        )  # fmt: skip
        return StoredNode(name=name, state="active", description=description, registered_at=0.0)

    def collections(self, name: str) -> list[str]:
        return list(self.nodes[name])

    def is_up(self, _name: str) -> bool:
        return True

    def life(self, _node: str) -> int:
        """Nobody comes anew."""
        return 1

    def answered(self, _node: str, _ms: float) -> None:
        """Nobody measures here."""

    async def ready(self, _keys: object, _timeout_s: float) -> None:
        """Always."""

    def merged(self, keys: Iterable[tuple[str, str]]) -> MergedCorpus:
        return MergedCorpus([self.nodes[node][collection].statistics for node, collection in keys])

    def epochs(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return {key: self.nodes[key[0]][key[1]].epoch for key in keys}

    def versions(self, keys: Iterable[tuple[str, str]]) -> list[tuple[str, str, str, int]]:
        return [(*key, "i1", self.nodes[key[0]][key[1]].epoch) for key in keys]


def placed(pages: Iterable[Searched]) -> list[tuple[str, str, str, float]]:
    """Each hit's place in the fleet and its score, over all pages."""
    hits: Iterable[Hit] = (one for page in pages for one in page.hits)
    return [(one.node, one.collection, one.id, one.score) for one in hits]
