"""What counts as an empty answer, and that counts are not lost while the store is away."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_master.evaluation import SearchStatistics
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Hit, NodeReport, Search, Searched

COLLECTIONS = {"shop": ["products", "notes"], "blog": ["posts"]}


class Rows:
    """A store that keeps the counts that are added, or fails."""

    def __init__(self) -> None:
        self.fails = False
        self.counts: dict[tuple[str, str], tuple[int, int]] = {}

    async def write(self, *writes: Any) -> None:
        if self.fails:
            raise Unavailable("the store is away")
        for row in writes[1].rows:
            place = (row["old_node"], row["old_collection"])
            had = self.counts.get(place, (0, 0))
            self.counts[place] = (had[0] + row["more_searches"], had[1] + row["more_empty"])


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def counts(rows: Rows) -> SearchStatistics:
    return SearchStatistics(rows, ManualClock(), 90)  # type: ignore[arg-type]


def answer(*reports: NodeReport, partial: bool = False) -> Searched:
    hits = [Hit(one.node, "c", str(number), 1.0, {}, "", "") for one in reports for number in range(one.count)]
    return Searched(query="tent", hits=hits, nodes=list(reports), total=len(hits), took_ms=1.0, partial=partial)


def searched(counts: SearchStatistics, found: Searched, **asked: Any) -> None:
    counts.searched(Search(query="tent", **asked), found, COLLECTIONS.__getitem__)


async def test_a_node_counts_when_it_answered_and_is_empty_without_hits(rows: Rows, counts: SearchStatistics) -> None:
    searched(counts, answer(NodeReport("shop", "ok", 2), NodeReport("blog", "ok", 0)))
    await counts.save()
    assert rows.counts == {("", ""): (1, 0), ("shop", ""): (1, 0), ("blog", ""): (1, 1), ("blog", "posts"): (1, 1)}


@pytest.mark.parametrize(
    "status", ["partial", "timeout", "open", "not_selected", "error", "no_collection", "unreachable"]
)
async def test_a_node_that_did_not_answer_in_full_is_not_empty(
    rows: Rows, counts: SearchStatistics, status: Any
) -> None:
    searched(counts, answer(NodeReport("shop", status), partial=True))
    await counts.save()
    assert rows.counts == {}


async def test_a_collection_counts_when_it_alone_was_asked_for(rows: Rows, counts: SearchStatistics) -> None:
    searched(counts, answer(NodeReport("shop", "ok", 0)), collections=["notes"])
    await counts.save()
    assert rows.counts == {("", ""): (1, 1), ("shop", ""): (1, 1), ("shop", "notes"): (1, 1)}


async def test_the_pages_of_a_search_are_one_search(rows: Rows, counts: SearchStatistics) -> None:
    searched(counts, answer(NodeReport("blog", "ok", 0)), cursor="1abc")
    await counts.save()
    assert rows.counts == {}


async def test_what_cannot_be_written_is_written_the_next_time(rows: Rows, counts: SearchStatistics) -> None:
    rows.fails = True
    searched(counts, answer(NodeReport("shop", "ok", 0)))
    with pytest.raises(Unavailable):
        await counts.save()
    rows.fails = False
    searched(counts, answer(NodeReport("shop", "ok", 1)))
    await counts.save()
    await counts.save()
    assert rows.counts[("shop", "")] == (2, 1)
