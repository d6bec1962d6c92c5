"""Documents too large for one message: a page has fewer of them, and all pages together have each of them whole."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_shared.hit_truncation import MAX_ANSWER_BYTES
from fleetfold_shared.messages import Searched, Sort, encode
from support.paging import PagedNodes, placed
from support.search import document

MANUAL = "page " * 12_000  # 60 kB


async def paged_nodes(per_node: int = 20) -> PagedNodes:
    fleet = PagedNodes()
    for node in ("blog", "shop"):
        for collection in ("a", "b"):
            await fleet.put(
                node, collection,
                [document(f"{n}", f"a tent {'rain ' * (n % 7)}", price=n, manual=MANUAL) for n in range(per_node)],
            )  # fmt: skip
    return fleet


def ids(pages: list[Searched]) -> list[tuple[str, str, str]]:
    return [place[:3] for place in placed(pages)]


async def test_a_long_page_has_fewer_hits_whole_and_a_cursor() -> None:
    [page] = await (await paged_nodes()).pages("tent rain", [100])
    assert 1 < len(page.hits) < 100
    assert page.cursor is not None
    assert all(hit.metadata["manual"] == MANUAL and not hit.cut for hit in page.hits)
    assert not page.partial


@pytest.mark.parametrize("limit", [7, 30, 100])
async def test_long_pages_together_are_the_one_order_with_each_hit_once(limit: int) -> None:
    fleet = await paged_nodes()
    by_fives = ids(await fleet.pages("tent rain", [5] * 30))
    assert len(by_fives) == len(set(by_fives)) == 80
    assert ids(await fleet.pages("tent rain", [limit] * 30)) == by_fives


async def test_a_node_that_gives_fewer_hides_nothing_that_ranks_higher_than_what_others_give() -> None:
    """One node's documents fill its message with the fifth; another's small ones rank between them."""
    fleet = PagedNodes()
    await fleet.put("large", "docs", [document(f"{n:02}", "tent " * (30 - n), blob="x" * 150_000) for n in range(20)])
    await fleet.put("small", "docs", [document(f"{n:02}", "tent " * (30 - n) + "rain") for n in range(20)])
    whole = ids(await fleet.pages("tent", [1] * 60))
    pages = await fleet.pages("tent", [40] * 60)
    assert ids(pages) == whole
    assert len(pages) > 2


@pytest.mark.parametrize("options", [{"sort": [Sort("price")]}, {"dedup": "exact"}], ids=str)
async def test_where_no_page_can_follow_all_are_there_and_what_is_cut_is_named(options: dict[str, Any]) -> None:
    page = await (await paged_nodes()).search("tent rain", limit=40, **options)
    assert page.cursor is None
    assert len(page.hits) == (40 if "sort" in options else 7)
    for hit in page.hits:
        assert hit.metadata["price"] is not None
        assert hit.cut == ["metadata.manual"] or hit.metadata["manual"] == MANUAL
    assert any(hit.cut for hit in page.hits) or "dedup" in options


async def test_a_single_document_that_is_too_large_is_cut_and_says_so() -> None:
    fleet = PagedNodes()
    record = document("1", "a tent", "Tent", price=9, url="https://shop.example/1", notes="word " * 400_000)
    await fleet.put("shop", "docs", [record, document("2", "a tent")])
    pages = await fleet.pages("tent", [10] * 3)
    [hit] = [one for page in pages for one in page.hits if one.id == "1"]
    assert hit.cut == ["metadata.notes"]
    assert (hit.metadata["price"], hit.metadata["url"]) == (9, "https://shop.example/1")
    assert hit.metadata["notes"].endswith(" …")
    assert [one.cut for page in pages for one in page.hits if one.id == "2"] == [[]]


@pytest.mark.parametrize("sort", [[], [Sort("price")]], ids=str)
async def test_a_title_of_800_kb_takes_no_room_from_the_hits_of_others(sort: list[Sort]) -> None:
    fleet = PagedNodes()
    for node in ("loud", "shop"):
        await fleet.put(node, "docs", [document(f"{n}", "a tent", price=n) for n in range(5)])
    fleet.lies["loud"] = lambda _ask, answer: (
        answer | {"hits": [answer["hits"][0] | {"title": "x" * 800_000}, *answer["hits"][1:]]}
    )
    page = await fleet.search("tent", limit=10, sort=sort)
    assert len(page.hits) == 10
    assert [hit.cut for hit in page.hits if hit.cut] == [["title"]]
    assert len(encode(page)) < MAX_ANSWER_BYTES


async def test_a_title_that_leaves_room_enough_stays_whole() -> None:
    fleet = PagedNodes()
    await fleet.put("shop", "docs", [document(f"{n}", "a tent", "t" * 5_000, blob="x" * 20_000) for n in range(60)])
    page = await fleet.search("tent", limit=60)
    assert 1 < len(page.hits) < 60
    assert {(len(hit.title), hit.cut == []) for hit in page.hits} == {(5_000, True)}
