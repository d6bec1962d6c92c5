"""The master's own collections among the nodes of a search."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from fleetfold_broker.gather import Answer
from fleetfold_master.search.own import Own
from fleetfold_shared.analysis import ANALYZER
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


async def nodes(_verb: str, names: Collection[str], _data: bytes, _timeout_s: float) -> dict[str, Answer]:
    return {name: Answer(1.0, b"{}") for name in names}


async def broken(_verb: str, _names: Collection[str], _data: bytes, _timeout_s: float) -> dict[str, Answer]:
    raise Unavailable("the link is down")


async def test_they_answer_beside_the_nodes() -> None:
    came = await Own(Notes()).beside(nodes)("search", ["shop", "master"], ASK, 1.0)
    assert came.keys() == {"shop", "master"}
    assert decode(came["master"].data, SearchAnswer).status == "ok"


async def test_they_are_not_asked_unless_they_are_named() -> None:
    assert (await Own(Notes()).beside(nodes)("search", ["shop"], ASK, 1.0)).keys() == {"shop"}
    assert (await Own(Notes()).beside(nodes)("ping", ["shop", "master"], ASK, 1.0))["master"].data == b"{}"


async def test_they_are_missing_when_the_time_is_over() -> None:
    notes = Notes()
    notes.open.clear()
    assert (await Own(notes).beside(nodes)("search", ["shop", "master"], ASK, 0.01)).keys() == {"shop"}


async def test_a_link_that_breaks_leaves_no_search_behind() -> None:
    notes = Notes()
    notes.open.clear()
    before = asyncio.all_tasks()
    with pytest.raises(Unavailable):
        await Own(notes).beside(broken)("search", ["shop", "master"], ASK, 60.0)
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before
