"""Nodes without a bus: children's collections and the master's merge in one process, the same code as in the fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.one_index import DEPTH, ask_for
from fleetfold_child.index.collection import Collection
from fleetfold_master.search.merge.merge import merge
from fleetfold_master.search.plan.relevance_estimate import CandidateNode, QueryTerms, expected_relevance
from fleetfold_shared.messages import Hit, ScoredDocument
from fleetfold_shared.text.analysis import query_terms
from fleetfold_shared.text.embedding import load_embedder
from fleetfold_shared.text.term_statistics import MergedCorpus, StatisticsTable

__all__ = ["Answered", "LocalFleet", "Record"]

Record = Mapping[str, Any]


class Answered(msgspec.Struct, frozen=True):
    """What each node answered to one query, and its share of what was expected."""

    answers: dict[str, list[ScoredDocument]]
    expected: dict[str, float]

    def hits(self, nodes: Sequence[str]) -> list[Hit]:
        """The one ranking of these nodes."""
        return merge({node: self.answers[node] for node in nodes}, DEPTH)


class LocalFleet:
    """Nodes by name, each with one collection and the statistics that a master would have of it."""

    def __init__(self, nodes: Mapping[str, Collection], members: Sequence[CandidateNode]) -> None:
        self._nodes, self.members = nodes, members
        self._corpus = MergedCorpus([table for member in members for table in member.corpus.parts])

    @classmethod
    @asynccontextmanager
    async def of(cls, shares: Mapping[str, tuple[str, Sequence[Record]]], data: Path) -> AsyncIterator[LocalFleet]:
        """Nodes by name that have a collection of that name and records, below the folder `data`."""
        async with AsyncExitStack() as opened:
            nodes: dict[str, Collection] = {}
            for name, (collection, records) in shares.items():
                nodes[name] = await opened.enter_async_context(await Collection.open(collection, data / name))
                await nodes[name].index(list(records))
            yield cls(nodes, [CandidateNode(name, MergedCorpus([await _told(node)])) for name, node in nodes.items()])

    async def ask(self, text: str) -> Answered:
        """What all nodes have, so that any of them can be left out afterwards."""
        ask = ask_for(text, self._corpus)
        answers = {name: (await node.search(ask, name))[0] for name, node in self._nodes.items()}
        vector = load_embedder().embed([text])[0]
        wanted = QueryTerms(query_terms(text), vector if vector.any() else None)
        return Answered(answers, expected_relevance(self.members, wanted))


async def _told(node: Collection) -> StatisticsTable:
    table = StatisticsTable()
    complete = False
    while not complete:
        complete = table.apply(await node.summary(table.ask(node.name)))
    return table
