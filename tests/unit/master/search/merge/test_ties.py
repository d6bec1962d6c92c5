"""Equal scores go by node, collection and id: everywhere, and each time."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_shared.messages import Sort
from support.paging import PagedNodes, placed
from support.search import document

PLACES = [
    (node, collection, f"{number}")
    for node in ("blog", "crm", "shop") for collection in ("a", "b") for number in ("1", "10", "2", "3")
]  # fmt: skip


async def equals(*, backwards: bool) -> PagedNodes:
    """A fleet in which all documents are the same, put there in one order or the other, by twos."""
    fleet = PagedNodes()
    order = PLACES[::-1] if backwards else PLACES
    for node, collection, identity in order:
        await fleet.put(node, collection, [document(identity, "a light tent", price=1)])
    return fleet


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("options", [{}, {"sort": [Sort("price", "desc")]}, {"threshold": 0.1}, {"alpha": 0.0}])
@pytest.mark.parametrize("limit", [1, 5, 100])
async def test_equal_documents_come_by_node_collection_and_id(
    backwards: bool, options: dict[str, Any], limit: int
) -> None:
    found = await (await equals(backwards=backwards)).search("tent", limit=limit, **options)
    assert [(hit.node, hit.collection, hit.id) for hit in found.hits] == PLACES[:limit]
    assert len({hit.score for hit in found.hits}) == 1


@pytest.mark.parametrize("size", [1, 5, 7])
async def test_pages_of_equal_documents_keep_that_order(size: int) -> None:
    fleet = await equals(backwards=True)
    assert [place[:3] for place in placed(await fleet.pages("tent", [size] * 30))] == PLACES


async def test_of_equal_duplicates_the_first_is_shown_and_the_others_follow_in_order() -> None:
    found = await (await equals(backwards=True)).search("tent", dedup="exact")
    assert [(hit.node, hit.collection, hit.id) for hit in found.hits] == PLACES[:1]
    assert [(one.node, one.collection, one.id) for one in found.hits[0].also] == PLACES[1:]
