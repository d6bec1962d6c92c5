"""The master's copy of the statistics: as new as the last heartbeat said, and never less than it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from fleetfold_master.search import TermStatistics
from fleetfold_master.search.term_statistics import PATIENCE_S
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CollectionInfo, NodeDescription, StatisticsChunk, StatisticsRequest
from fleetfold_shared.text.term_statistics import pack_terms
from support.wait import eventually

KEY = ("shop", "docs")


class Shop:
    """A node with one collection, `docs`, in which each document is the one word «tent»."""

    def __init__(self) -> None:
        self.incarnation, self.epoch, self.documents = "i1", 1, 10
        self.asked: list[StatisticsRequest] = []
        self.away, self.analyzer = False, ""
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, node: str, ask: StatisticsRequest) -> StatisticsChunk:
        assert node == "shop"
        self.asked.append(ask)
        now = self._chunk(ask)
        await self.open.wait()
        if self.away:
            raise Unavailable("the shop is closed")
        return now

    def describe(self) -> NodeDescription:
        docs = CollectionInfo("docs", self.documents, self.epoch)
        return NodeDescription(incarnation=self.incarnation, version="1.0", collections=[docs])

    def _chunk(self, ask: StatisticsRequest) -> StatisticsChunk:
        return StatisticsChunk(
            incarnation=self.incarnation, epoch=self.epoch, documents=self.documents, length=self.documents,
            full=ask.incarnation != self.incarnation, terms=pack_terms({"tent": self.documents}),
            analyzer=self.analyzer,
        )  # fmt: skip


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def known(shop: Shop) -> AsyncIterator[TermStatistics]:
    known = TermStatistics(shop.fetch)
    yield known
    await known.stop()


async def settled(known: TermStatistics) -> int:
    """How many documents are known when all that was begun has ended."""
    await eventually(lambda: all(task.done() for task in known._running.values()))
    return known.merged([KEY]).documents


async def test_what_is_announced_is_fetched(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    assert await settled(known) == 10
    assert known.merged([KEY]).df("tent") == 10
    assert shop.asked == [StatisticsRequest(collection="docs")]


async def test_what_is_known_is_not_fetched_again(known: TermStatistics, shop: Shop) -> None:
    for _ in range(3):
        known.announced("shop", shop.describe())
        await settled(known)
    assert len(shop.asked) == 1


async def test_a_new_epoch_is_asked_for_as_a_difference(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    shop.epoch, shop.documents = 2, 11
    known.announced("shop", shop.describe())
    assert await settled(known) == 11
    assert shop.asked[1:] == [StatisticsRequest(collection="docs", incarnation="i1", since=1)]


async def test_what_changes_during_a_fetch_is_fetched_next(known: TermStatistics, shop: Shop) -> None:
    shop.open.clear()
    known.announced("shop", shop.describe())
    await eventually(lambda: len(shop.asked) == 1)
    shop.epoch, shop.documents = 2, 11
    known.announced("shop", shop.describe())
    shop.open.set()
    assert await settled(known) == 11


async def test_a_heartbeat_older_than_the_statistics_fetches_nothing(known: TermStatistics, shop: Shop) -> None:
    old = shop.describe()
    shop.epoch, shop.documents = 2, 11
    known.announced("shop", old)
    assert await settled(known) == 11
    known.announced("shop", old)
    assert await settled(known) == 11
    assert len(shop.asked) == 1


async def test_a_new_incarnation_replaces_all_that_was_known(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    shop.incarnation, shop.epoch, shop.documents = "i2", 0, 3
    known.announced("shop", shop.describe())
    assert await settled(known) == 3


async def test_a_failed_fetch_keeps_what_is_known_and_is_tried_again(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    shop.epoch, shop.documents, shop.away = 2, 11, True
    known.announced("shop", shop.describe())
    assert await settled(known) == 10
    shop.away = False
    known.announced("shop", shop.describe())
    assert await settled(known) == 11


async def test_ready_waits_for_the_first_fetch(known: TermStatistics, shop: Shop) -> None:
    shop.open.clear()
    known.announced("shop", shop.describe())
    waiting = asyncio.create_task(known.ready([KEY], 10))
    await eventually(lambda: len(shop.asked) == 1)
    assert not waiting.done()
    shop.open.set()
    await waiting
    assert known.merged([KEY]).documents == 10


async def test_ready_waits_for_a_node_that_has_started_anew(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    shop.incarnation, shop.epoch, shop.documents = "i2", 0, 3
    known.announced("shop", shop.describe())
    await known.ready([KEY], 10)
    assert known.merged([KEY]).documents == 3


async def test_a_process_that_died_during_a_fetch_is_not_waited_for(known: TermStatistics, shop: Shop) -> None:
    shop.open.clear()
    known.announced("shop", shop.describe())
    await eventually(lambda: len(shop.asked) == 1)
    shop.open = asyncio.Event()
    shop.open.set()
    shop.incarnation, shop.epoch, shop.documents = "i2", 0, 3
    known.announced("shop", shop.describe())
    async with asyncio.timeout(5):
        await known.ready([KEY], 60)
    assert known.merged([KEY]).documents == 3


async def test_two_processes_announced_at_once_leave_the_second(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    shop.incarnation, shop.epoch, shop.documents = "i2", 0, 3
    known.announced("shop", shop.describe())
    assert await settled(known) == 3


async def test_ready_waits_no_longer_than_it_may(known: TermStatistics, shop: Shop) -> None:
    shop.open.clear()
    known.announced("shop", shop.describe())
    async with asyncio.timeout(5):
        await known.ready([KEY], 0.01)
    assert known.merged([KEY]).documents == 0


async def test_ready_does_not_wait_for_a_change(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    shop.epoch, shop.documents = 2, 11
    shop.open.clear()
    known.announced("shop", shop.describe())
    async with asyncio.timeout(5):
        await known.ready([KEY], 60)


async def test_a_node_that_is_out_is_forgotten(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    known.forget("shop")
    assert known.merged([KEY]).documents == 0
    await known.ready([KEY], 60)


async def test_a_node_forgotten_during_a_fetch_is_fetched_whole_when_it_returns(
    known: TermStatistics, shop: Shop
) -> None:
    shop.open.clear()
    known.announced("shop", shop.describe())
    await eventually(lambda: len(shop.asked) == 1)
    known.forget("shop")
    known.announced("shop", shop.describe())
    shop.open.set()
    await known.ready([KEY], 10)
    assert known.merged([KEY]).documents == 10


async def test_stop_ends_what_is_being_fetched(known: TermStatistics, shop: Shop) -> None:
    shop.open.clear()
    known.announced("shop", shop.describe())
    await eventually(lambda: len(shop.asked) == 1)
    await known.stop()
    assert await settled(known) == 0


async def test_a_node_that_the_broker_says_is_gone_is_not_waited_for(shop: Shop) -> None:
    """It was asked, and vanished before it answered: only who asks again is told."""

    async def told(node: str) -> None:
        assert node == "shop"
        shop.away = True
        shop.open.set()

    known = TermStatistics(shop.fetch, told)
    shop.open.clear()
    known.announced("shop", shop.describe())
    await eventually(lambda: len(shop.asked) == 1)
    async with asyncio.timeout(5):
        await known.ready([KEY], 60)
    assert known.merged([KEY]).documents == 0
    await known.stop()


async def test_a_node_that_hangs_keeps_one_search_waiting_and_not_the_next(known: TermStatistics, shop: Shop) -> None:
    shop.open.clear()
    known.announced("shop", shop.describe())
    await known.ready([KEY], PATIENCE_S)
    async with asyncio.timeout(5):
        await known.ready([KEY], 60)
    shop.open.set()
    assert await settled(known) == 10
    shop.incarnation, shop.documents = "i2", 3
    known.announced("shop", shop.describe())
    await known.ready([KEY], 10)
    assert known.merged([KEY]).documents == 3


async def test_a_refresh_that_hangs_leaves_what_is_known_in_use(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    shop.open.clear()
    shop.incarnation, shop.documents = "i2", 3
    known.announced("shop", shop.describe())
    await known.ready([KEY], 0.01)
    known = known.merged([KEY])
    assert (known.documents, known.df("tent"), known.df("zebra")) == (10, 10, 0)


async def test_statistics_of_another_analyzer_are_not_fetched(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", replace(shop.describe(), analyzer="french-2"))
    await known.ready([KEY], 10)
    assert shop.asked == []


async def test_a_node_that_changes_its_analyzer_leaves_nothing_behind(known: TermStatistics, shop: Shop) -> None:
    known.announced("shop", shop.describe())
    await settled(known)
    known.announced("shop", replace(shop.describe(), incarnation="i2", analyzer="french-2"))
    assert known.merged([KEY]).documents == 0


async def test_what_another_analyzer_has_counted_is_never_merged(known: TermStatistics, shop: Shop) -> None:
    """Its description says one thing, the statistics that came another."""
    shop.analyzer = "french-2"
    known.announced("shop", shop.describe())
    assert await settled(known) == 0
