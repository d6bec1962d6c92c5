"""The master's own collections among the nodes of a search."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_master.search.own_collections import OwnNode
from fleetfold_shared.concurrency import gather_all
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.ids import MASTER
from fleetfold_shared.messages import (
    CollectionInfo,
    SearchAnswer,
    SearchRequest,
    StatisticsChunk,
    StatisticsRequest,
)
from fleetfold_shared.text.analysis import ANALYZER

ASK = SearchRequest(
    request="r", terms=[], avgdl=1.0, divisor=1.0, k=3, deadline_ms=100, analyzer=ANALYZER, embedder="e"
)  # fmt: skip


class Notes:
    incarnation, embedder = "i1", "e"

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    def infos(self) -> list[CollectionInfo]:
        return [CollectionInfo("notes", 1)]

    async def search(self, ask: SearchRequest) -> SearchAnswer:
        await self.open.wait()
        return SearchAnswer(status="ok" if ask.k == 3 else "error")

    def statistics(self, ask: StatisticsRequest) -> StatisticsChunk:
        raise NotImplementedError


async def test_they_answer_as_a_node_would() -> None:
    response = (await OwnNode(Notes()).answer(ASK, 1.0))[MASTER]
    assert response.answer is not None
    assert (response.answer.status, response.report.status) == ("ok", "ok")


async def test_they_are_missing_when_the_time_is_over() -> None:
    notes = Notes()
    notes.open.clear()
    response = (await OwnNode(notes).answer(ASK, 0.01))[MASTER]
    assert (response.answer, response.report.status) == (None, "timeout")


async def test_a_connection_that_breaks_leaves_no_search_behind() -> None:
    notes = Notes()
    notes.open.clear()
    before = asyncio.all_tasks()
    with pytest.raises(Unavailable):
        await gather_all(list(map(asyncio.create_task, [OwnNode(notes).answer(ASK, 60.0), _broken()])))
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before


async def _broken() -> None:
    raise Unavailable("the connection is down")
