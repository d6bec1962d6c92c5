"""The facets of a node's answer: the values of fields, counted over all documents that match."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fleetfold_child.documents import Document
from fleetfold_child.index.filters import reader
from fleetfold_shared.errors import DeadlineExceeded
from fleetfold_shared.facets import Tally, fitting_counts
from fleetfold_shared.messages.criteria import FacetCounts
from fleetfold_shared.messages.search import SearchAsk

if TYPE_CHECKING:
    from fleetfold_child.index.collection import Collection

__all__ = ["count_facets", "tallies"]


def tallies(documents: Sequence[Document], fields: Sequence[str]) -> list[Tally]:
    """The values of each field in these documents."""
    counted: list[Tally] = []
    for field in fields:
        tally = Tally()
        tally.count(map(reader(field), documents))
        counted.append(tally)
    return counted


async def count_facets(collections: Sequence[Collection], ask: SearchAsk, started: float) -> list[FacetCounts]:
    """The facets of the ask over all of the collections.

    `started` is when the ask came, by `time.perf_counter`. `DeadlineExceeded` when its time is over.
    """
    left_s = ask.deadline_ms / 1000 - (time.perf_counter() - started)
    totals = [Tally() for _ in ask.facets]
    try:
        async with asyncio.timeout(left_s):
            for collection in collections:
                for total, tally in zip(totals, await collection.facets(ask), strict=True):
                    total.merge(tally)
    except TimeoutError:
        raise DeadlineExceeded(f"the facets took more than was left of the {ask.deadline_ms} ms") from None
    return fitting_counts(list(zip(ask.facets, totals, strict=True)))
