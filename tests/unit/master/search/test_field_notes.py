"""What is odd about a question's fields is noted, over all documents that were searched, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_shared.messages import Filter, Sort
from support.paging import PagedNodes
from support.search import document


async def paged_nodes() -> PagedNodes:
    """Prices are numbers on one node, texts on another; one field is on one node only."""
    fleet = PagedNodes()
    await fleet.put("shop", "docs", [document("1", "a tent", "Tent", price=9, tags=["red"], sale=True, note=None)])
    await fleet.put("blog", "docs", [document("2", "a tent", "Tent", price="9 EUR", words="many", specs={"kg": 1})])
    return fleet


async def noted(**asked: Any) -> list[tuple[str, str]]:
    found = await (await paged_nodes()).search("tent", **asked)
    return [(note.code, note.field) for note in found.notes]


@pytest.mark.parametrize(
    ("asked", "notes"),
    [
        ({"filter": Filter("prize", "lt", 10)}, [("no_such_field", "prize")]),
        ({"sort": [Sort("prize"), Sort("_score")]}, [("no_such_field", "prize")]),
        ({"facets": ["prize", "price"]}, [("no_such_field", "prize"), ("other_kind", "price")]),
        ({"sort": [Sort("price")]}, [("other_kind", "price")]),
        ({"sort": [Sort("price")], "facets": ["price"]}, [("other_kind", "price")]),
        ({"sort": [Sort("tags")]}, [("other_kind", "tags")]),
        ({"sort": [Sort("specs")], "facets": ["tags"]}, [("other_kind", "specs")]),
        ({"filter": Filter(any=[Filter("a", "eq", 1), Filter("price", "eq", 9)])}, [("no_such_field", "a")]),
        ({"filter": Filter("prize", "exists", True)}, [("no_such_field", "prize")]),
        ({"filter": Filter("specs.g", "eq", 1)}, [("no_such_field", "specs.g")]),
        ({"filter": Filter("words", "lt", 10)}, [("other_kind", "words")]),
        ({"filter": Filter("words", "eq", 10)}, [("other_kind", "words")]),
        ({"filter": Filter("words", "in", [1, 2])}, [("other_kind", "words")]),
        ({"filter": Filter("price", "lt", 10)}, [("other_kind", "price")]),
        ({"filter": Filter("sale", "eq", "true")}, [("other_kind", "sale")]),
        ({"filter": Filter("tags", "eq", "red")}, [("other_kind", "tags")]),
        ({"filter": Filter("words", "lt", 10), "facets": ["words"]}, [("other_kind", "words")]),
    ],
    ids=str,
)
async def test_a_field_that_no_document_has_or_of_another_kind_is_noted(
    asked: dict[str, Any], notes: list[tuple[str, str]]
) -> None:
    assert await noted(**asked) == notes


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"filter": Filter("words", "eq", "many")}, {"filter": Filter("tags", "contains", "red")},
        {"filter": Filter("price", "eq", 9)}, {"filter": Filter("note", "eq", None)}, {"sort": [Sort("words")]},
        {"filter": Filter("note", "exists", True)}, {"filter": Filter("id", "eq", 1)}, {"facets": ["sale", "title"]},
        {"filter": Filter("title", "contains", "Te")}, {"sort": [Sort("_score")]}, {"facets": ["specs.kg"]},
        {"filter": Filter("words", "ne", None)},
    ],
    ids=str,
)  # fmt: skip
async def test_what_some_collection_has_is_not_noted(asked: dict[str, Any]) -> None:
    assert await noted(**asked) == []


async def test_a_note_says_where_the_field_was_named() -> None:
    found = await (await paged_nodes()).search("tent", filter=Filter("x", "eq", 1), sort=[Sort("x")], facets=["x"])
    [note] = found.notes
    assert note.text.startswith("filter, sort, facets: no document that was searched has the field 'x'")
    mixed = await (await paged_nodes()).search("tent", filter=Filter("price", "lt", 10))
    assert "some documents have texts" in mixed.notes[0].text
    both = await (await paged_nodes()).search("tent", sort=[Sort("price")], facets=["price"])
    assert both.notes[0].text.startswith("sort, facets: 'price' is numbers in some documents and texts in others")


async def test_a_node_that_does_not_say_leaves_nothing_to_note() -> None:
    fleet = await paged_nodes()
    fleet.lies["blog"] = lambda _ask, answer: {name: value for name, value in answer.items() if name != "kinds"}
    found = await fleet.search("tent", facets=["prize"])
    assert found.notes == []
