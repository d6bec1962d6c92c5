"""The key of a cached answer changes with all that changes the answer, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.cache.cache_key import answer_key
from fleetfold_master.search.collection_versions import CollectionVersions
from fleetfold_shared.messages import CollectionInfo, Filter, NodeDescription, Search, Sort

SEARCH = Search(query="red chair")
VERSIONS = [("shop", "products", "i1", 7)]


def described(incarnation: str = "i1", **collection: Any) -> NodeDescription:
    given = {"name": "products", "epoch": 7, **collection}
    return NodeDescription(
        incarnation=incarnation, version="1.0", analyzer="a", embedder="e", collections=[CollectionInfo(**given)]
    )


def node(name: str = "shop", description: NodeDescription | None = None, **more: Any) -> StoredNode:
    fields = {"state": "active", "registered_at": 1.0, **more}
    return StoredNode(name=name, description=description or described(), **fields)


def versions_of(description: NodeDescription | None = None) -> CollectionVersions:
    epochs = CollectionVersions()
    epochs.described("shop", description or described())
    return epochs


def key(search: Search = SEARCH, *, asked: Search | None = None, **more: Any) -> str | None:
    given: dict[str, Any] = {
        "nodes": [node()], "healthy": {"shop"}, "epochs": versions_of(), "versions": VERSIONS, "embedder": "e", **more,
    }  # fmt: skip
    return answer_key(search, asked or search, **given)


@pytest.mark.parametrize(
    "change",
    [
        {"query": "red chairs"}, {"query": "red chair "}, {"limit": 11}, {"threshold": 0.1}, {"nodes": ["shop"]},
        {"nodes": "auto"}, {"collections": ["products"]}, {"filter": Filter("price", "lt", 5)}, {"highlight": True},
        {"cursor": "1x"}, {"dedup": "exact"}, {"facets": ["brand"]}, {"sort": [Sort("price")]}, {"among": ["shop"]},
        {"context": ["a chair"]}, {"alpha": 0.5},
    ],
    ids=str,
)  # fmt: skip
def test_each_part_of_the_question_is_in_the_key(change: dict[str, Any]) -> None:
    assert key(replace(SEARCH, **change)) != key()


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400], ids=["above", "below", "long"])
@pytest.mark.parametrize("op", ["eq", "lt", "gte", "in"])
def test_a_question_with_a_number_past_64_bits_has_a_key_of_its_own(number: int, op: Any) -> None:
    asked = [replace(SEARCH, filter=Filter("n", op, [one] if op == "in" else one)) for one in (number, number + 1)]
    assert len({key(one) for one in asked}) == 2
    assert None not in {key(one) for one in asked}


@pytest.mark.parametrize(
    "change", [{"timeout_ms": 10}, {"max_parallel": 1}, {"partial": "fail"}, {"cache": "refresh"}], ids=str
)
def test_how_it_is_asked_is_not(change: dict[str, Any]) -> None:
    assert key(replace(SEARCH, **change)) == key()


def test_names_count_in_any_order() -> None:
    assert key(replace(SEARCH, collections=["a", "b"])) == key(replace(SEARCH, collections=["b", "a", "b"]))


def test_the_question_as_it_was_put_is_in_the_key_for_its_cursor_is_of_that() -> None:
    assert key(replace(SEARCH, among=["shop"]), asked=SEARCH) != key(replace(SEARCH, among=["shop"]))


@pytest.mark.parametrize(
    "change",
    [
        {"healthy": set()},
        {"nodes": [node(state="maintenance")], "healthy": set()},
        {"nodes": [node(), node("blog")], "healthy": {"shop"}},
        {"nodes": [node(description=described("i2"))], "epochs": versions_of(described("i2"))},
        {"epochs": versions_of(described(epoch=8))},
        {"nodes": [node(description=described(keys=["sku"]))]},
        {"nodes": [node(description=described(alpha=0.5))]},
        {"nodes": [node(description=described(replica="r"))]},
        {"versions": [("shop", "products", "i1", 8)]},
        {"versions": []},
        {"embedder": "f"},
    ],
)
def test_all_that_is_known_of_the_nodes_is_in_the_key(change: dict[str, Any]) -> None:
    changed = key(**change)
    assert changed is not None
    assert changed != key()


def test_other_collections_of_a_node_do_not_matter_to_a_search_of_some() -> None:
    search = replace(SEARCH, collections=["other"])
    assert key(search, versions=[]) == key(search, versions=[], epochs=versions_of(described(epoch=8)))


def test_there_is_no_key_before_a_node_that_is_asked_has_said_how_new_it_is() -> None:
    assert key(epochs=CollectionVersions()) is None
    assert key(nodes=[node(description=described("i2"))]) is None
    assert key(epochs=CollectionVersions(), healthy=set()) is not None


def test_epochs_never_fall_within_an_incarnation_and_an_unknown_one_says_nothing() -> None:
    epochs = versions_of(described(epoch=7))
    epochs.record("shop", "i1", {"products": 9})
    epochs.described("shop", described(epoch=8))
    epochs.record("shop", "i0", {"products": 99})
    epochs.record("shop", "", {"products": 99})
    assert epochs.of("shop") == ("i1", {"products": 9})
    epochs.described("shop", described("i2", epoch=1))
    assert epochs.of("shop") == ("i2", {"products": 1})
    epochs.forget("shop")
    assert epochs.of("shop") is None
