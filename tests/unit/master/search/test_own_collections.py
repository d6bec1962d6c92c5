"""The master's own collections among the nodes of a search."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_master.search.own_collections import Own
from fleetfold_shared.concurrency import gather_all
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import (
    CollectionInfo,
    SearchAnswer,
    SearchAsk,
    StatisticsAsk,
    StatisticsChunk,
    decode,
    encode,
)
from fleetfold_shared.text.analysis import ANALYZER

ASK = encode(
    SearchAsk(request="r", terms=[], avgdl=1.0, divisor=1.0, k=3, deadline_ms=100, analyzer=ANALYZER, embedder="e")
)


class Notes:
    incarnation, embedder = "i1", "e"

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    def infos(self) -> list[CollectionInfo]:
        return [CollectionInfo("notes", 1)]

    async def search(self, ask: SearchAsk) -> SearchAnswer:
        await self.open.wait()
        return SearchAnswer(status="ok" if ask.k == 3 else "error")

    def statistics(self, ask: StatisticsAsk) -> StatisticsChunk:
        raise NotImplementedError


async def test_they_answer_as_a_node_would() -> None:
    came = await Own(Notes()).answer(ASK, 1.0)
    assert came is not None
    assert decode(came.data, SearchAnswer).status == "ok"


async def test_they_are_missing_when_the_time_is_over() -> None:
    notes = Notes()
    notes.open.clear()
    assert await Own(notes).answer(ASK, 0.01) is None


async def test_a_link_that_breaks_leaves_no_search_behind() -> None:
    notes = Notes()
    notes.open.clear()
    before = asyncio.all_tasks()
    with pytest.raises(Unavailable):
        await gather_all([Own(notes).answer(ASK, 60.0), _broken()])
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before


async def _broken() -> None:
    raise Unavailable("the link is down")
