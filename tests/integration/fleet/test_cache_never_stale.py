"""Index, update and delete on several nodes, and searches by two clients, in any order and at the same time: no answer
is older than what was acknowledged before it was asked for.

Each document has versions, written one after another, each of them there or gone. A search may see of a document any
version from the one acknowledged when it began to the last one begun when it ended. `FLEETFOLD_CACHE_STEPS` makes it
longer.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from fleetfold.client import Client
from fleetfold.search_request import SearchOptions
from fleetfold_shared.messages import Searched
from support.effort import effort
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]

STEPS = int(os.environ.get("FLEETFOLD_CACHE_STEPS", effort(30)))
PLACES = [("shop", "products"), ("shop", "notes"), ("blog", "posts")]
SEARCHES: list[dict[str, Any]] = [
    {}, {}, {"nodes": ["shop"]}, {"collections": ["posts", "notes"]}, {"options": SearchOptions(facets=["n"])},
    {"options": SearchOptions(highlight=True)},
]  # fmt: skip


@dataclass(slots=True)
class Document:
    """What was written of one document: version 0 is that there is none."""

    node: str
    collection: str
    id: str
    there: list[bool] = field(default_factory=lambda: [False])
    acknowledged: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def may_be_seen(self, since: int, seen: int | None) -> bool:
        """Whether a search that began at version `since` may see `seen`, or nothing."""
        last = len(self.there)
        if seen is None:
            return not all(self.there[since:last])
        return since <= seen < last and self.there[seen]


class Writer:
    """Writes versions of documents by actions."""

    def __init__(self, chance: random.Random, clients: list[Client]) -> None:
        self.chance, self.clients = chance, clients
        self.documents = [Document(*place, id=f"d{number}") for place in PLACES for number in range(4)]

    async def write(self) -> None:
        document = self.chance.choice(self.documents)
        async with document.lock:
            version = len(document.there)
            action, params = self._change(document, version)
            document.there.append(action != "delete")
            whole = {"collection": document.collection, **params}
            job = await self.chance.choice(self.clients).run(action, whole, nodes=[document.node])
            assert job.state == "ok", job
            document.acknowledged = version

    def _change(self, document: Document, version: int) -> tuple[str, dict[str, Any]]:
        there = document.there[-1]
        kind = self.chance.choice(["index", "update", "delete"] if there else ["index"])
        if kind == "index":
            text = " ".join(self.chance.choices(["dry", "light", "blue"], k=3))
            return kind, {"documents": [{"id": document.id, "title": "tent", "content": text, "n": version}]}
        if kind == "update":
            return kind, {"id": document.id, "fields": {"n": version}}
        return kind, {"ids": [document.id]}

    async def search(self) -> None:
        options = self.chance.choice(SEARCHES)
        since = [document.acknowledged for document in self.documents]
        found = await self.chance.choice(self.clients).search("tent", limit=100, timeout_s=10.0, **options)
        assert not found.partial
        seen = {(hit.node, hit.collection, hit.id): hit.metadata["n"] for hit in found.hits}
        for document, version in zip(self.documents, since, strict=True):
            if self._is_searched(document, options):
                mine = seen.get((document.node, document.collection, document.id))
                assert document.may_be_seen(version, mine), (found.cached, document, version, mine)

    def _is_searched(self, document: Document, options: dict[str, Any]) -> bool:
        return document.node in options.get("nodes", [document.node]) and document.collection in options.get(
            "collections", [document.collection]
        )


def said(found: Searched) -> list[tuple[str, str, float, int]]:
    return [(hit.node, hit.id, hit.score, hit.metadata["n"]) for hit in found.hits]


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_answer_is_older_than_what_was_acknowledged_before(fleet: Fleet, seed: int) -> None:
    chance = random.Random(seed)
    await fleet.start_child("shop", {"products": None, "notes": None})
    await fleet.start_child("blog", {"posts": None})
    writer = Writer(chance, [fleet.client, await fleet.new_client("other")])
    await writer.write()
    for _ in range(STEPS):
        together = [writer.search() for _ in range(chance.randint(1, 4))]
        together += [writer.write() for _ in range(chance.randint(0, 2))]
        chance.shuffle(together)
        await asyncio.gather(*together)
    assert (await fleet.client.cache.stats()).hits > STEPS / 10

    async def same() -> bool:
        kept, asked = (
            await fleet.client.search("tent"),
            await fleet.client.search("tent", options=SearchOptions(cache="off")),
        )
        return kept.cached and said(kept) == said(asked)

    await eventually(same)
