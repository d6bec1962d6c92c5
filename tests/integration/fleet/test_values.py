"""Values through the whole fleet: to an action and back, into documents, and in what a search tests."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fleetfold import Context, action
from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter, Sort, StepSpec
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

ABOVE, BELOW = 2**64 + 1, -(2**63) - 1
LONG = 10**400
SERIALS = {"above": ABOVE, "below": BELOW, "long": LONG, "small": 7}


@action
async def echo(ctx: Context, value: Any) -> dict[str, Any]:
    """Give it back, and say what it was here."""
    return {"value": value, "seen": repr(value)}


async def echoing(fleet: Fleet) -> None:
    await fleet.start(fleet.declare("shop").add(echo))


@pytest.mark.parametrize("value", [ABOVE, BELOW, -0.0, "a\0b", "\u2028", [None, {"": [1.5]}]], ids=repr)
async def test_a_value_arrives_at_an_action_as_it_is_and_so_does_its_result(fleet: Fleet, value: Any) -> None:
    await echoing(fleet)
    [done] = (await fleet.client.run("echo", {"value": value}, nodes=["shop"])).nodes
    assert done.result == {"value": value, "seen": repr(value)}
    step = StepSpec(name="one", node="shop", action="echo", params={"value": value})
    after = StepSpec(name="two", node="shop", action="echo", params={"value": "{{steps.one.value}}"})
    view = await fleet.client.transact([step, after])
    assert view.state == "committed"
    assert view.steps[1].result == {"value": value, "seen": repr(value)}


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud83d", {1: 2}], ids=repr)
async def test_a_value_that_cannot_travel_is_refused_by_name_and_nothing_runs(fleet: Fleet, value: Any) -> None:
    await echoing(fleet)
    with pytest.raises(InvalidInput, match=r"^params\.value: "):
        await fleet.client.run("echo", {"value": value}, nodes=["shop"])
    step = StepSpec(name="one", node="shop", action="echo", params={"value": value})
    with pytest.raises(InvalidInput, match=r"^steps\[0\]\.params\.value: "):
        await fleet.client.transact([step])
    assert await fleet.client.jobs.list() == []
    assert await fleet.client.transactions.list() == []


async def test_a_name_may_hold_no_nul(fleet: Fleet) -> None:
    await echoing(fleet)
    with pytest.raises(InvalidInput, match=r"^name: it holds a NUL"):
        await fleet.client.transact([StepSpec(name="one", node="shop", action="echo", params={})], name="a\0b")
    with pytest.raises(InvalidInput, match=r"^id: it holds a NUL"):
        await fleet.client.jobs.get("a\0b")


TESTS: list[tuple[Any, Any, set[str]]] = [
    ("eq", ABOVE, {"above"}), ("eq", 2**64, set()), ("eq", float(2**64), set()), ("eq", BELOW, {"below"}),
    ("ne", ABOVE, {"below", "long", "small"}), ("in", [ABOVE, BELOW, 7], {"above", "below", "small"}),
    ("lt", BELOW, set()), ("lte", BELOW, {"below"}), ("lt", ABOVE, {"below", "small"}), ("gt", ABOVE, {"long"}),
    ("gte", LONG, {"long"}), ("gt", 2**64, {"above", "long"}),
]  # fmt: skip


async def test_a_filter_tells_whole_numbers_past_64_bits_apart(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": lambda: [{"id": i, "title": "lamp", "n": n} for i, n in SERIALS.items()]})
    for op, value, found in TESTS:
        for _ in ("asked", "kept"):
            answer = await fleet.client.search("lamp", filter=Filter("n", op, value))
            assert {hit.id for hit in answer.hits} == found, (op, value)


async def test_numbers_past_64_bits_are_sorted_counted_and_given_back_exactly(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": lambda: [{"id": i, "title": "lamp", "n": n} for i, n in SERIALS.items()]})
    answer = await fleet.client.search("lamp", sort=[Sort("n")], options=SearchOptions(facets=["n"]))
    assert [hit.metadata["n"] for hit in answer.hits] == sorted(SERIALS.values())
    assert {one.value for one in answer.facets[0].values} == set(SERIALS.values())


async def test_a_document_with_nul_characters_is_kept_found_and_removed(fleet: Fleet) -> None:
    record = {"id": "a\0b", "title": "lamp\0shade", "note": "x\0y"}
    child = await fleet.start_child("shop", {"docs": lambda: [record, {"id": "a", "title": "lamp"}]})
    answer = await fleet.client.search("lamp", filter=Filter("id", "eq", "a\0b"))
    [hit] = answer.hits
    assert (hit.id, hit.title, hit.metadata) == ("a\0b", "lamp\0shade", {"note": "x\0y"})
    job = await fleet.client.run("delete", {"collection": "docs", "ids": ["a\0b"]}, nodes=["shop"])
    assert job.nodes[0].result == {"removed": 1}
    assert child.documents == {"docs": 1}
