"""Searches with `auto` in a real fleet: who is asked, what is said of it, and what it does not change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetfold.name_lists import Auto
from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import Forbidden, InvalidInput
from fleetfold_shared.messages import Scopes, Searched
from support.inprocess import Fleet, fleet, scores, statuses

__all__ = ["fleet"]

TOPICS = {
    "shop": "a light tent for two people with poles and a groundsheet",
    "crm": "an unpaid invoice of a customer whose card was declined",
    "wiki": "quantum physics of particles and electrons in a field",
    "faq": "forgotten password and login to your account",
}
QUERY = "light tent with poles"


def records(name: str, size: int = 30) -> list[dict[str, Any]]:
    return [{"id": f"{name}{number}", "text": f"{TOPICS[name]}, number {number}"} for number in range(size)]


async def four_nodes(fleet: Fleet) -> None:
    for name in TOPICS:
        await fleet.start_child(name, {"docs": (lambda records: lambda: records)(records(name))})
    await fleet.client.search(QUERY)  # from now on all statistics are known


def expected(found: Searched) -> dict[str, float]:
    return {report.node: report.expected for report in found.nodes}


async def test_auto_asks_the_node_that_has_it_and_says_why(fleet: Fleet) -> None:
    await four_nodes(fleet)
    found = await fleet.client.search(QUERY, nodes="auto", options=SearchOptions(explain=True))
    assert statuses(found) == {"shop": "ok", "crm": "not_selected", "wiki": "not_selected", "faq": "not_selected"}
    assert not found.partial
    reasons = {report.node: report.reason or "" for report in found.nodes}
    assert reasons["shop"].startswith("asked: 9")
    assert "is reached without it" in reasons["crm"]
    assert {one.node: one.explain.reason for one in found.nodes if one.explain} == reasons


async def test_its_hits_are_those_of_asking_all(fleet: Fleet) -> None:
    await four_nodes(fleet)
    every = await fleet.client.search(QUERY, limit=30)
    chosen = await fleet.client.search(QUERY, limit=30, nodes="auto")
    assert scores(chosen) == scores(every)
    assert expected(chosen) == expected(every)
    assert sum(expected(every).values()) == pytest.approx(1.0, abs=0.001)
    assert all(report.reason is None for report in every.nodes)


async def test_among_narrows_the_choice(fleet: Fleet) -> None:
    await four_nodes(fleet)
    found = await fleet.client.search(QUERY, nodes=Auto(["crm", "wiki"]))
    assert expected(found).keys() == {"crm", "wiki"}
    assert sum(expected(found).values()) == pytest.approx(1.0, abs=0.001)


async def test_what_was_asked_before_weighs_in_the_choice_and_not_in_the_scores(fleet: Fleet) -> None:
    await four_nodes(fleet)
    vague = await fleet.client.search("number 7", limit=100)
    found = await fleet.client.search(
        "number 7", nodes="auto", options=SearchOptions(context=["unpaid invoice", "card declined"])
    )
    shares = expected(found)
    assert max(shares, key=shares.__getitem__) == "crm"
    assert expected(vague)["crm"] < shares["crm"]
    assert {(hit.id, hit.score) for hit in found.hits} <= {(hit.id, hit.score) for hit in vague.hits}


async def test_too_much_context_is_refused_by_name(fleet: Fleet) -> None:
    await four_nodes(fleet)
    with pytest.raises(InvalidInput) as refused:
        await fleet.client.search(QUERY, nodes="auto", options=SearchOptions(context=["tent"] * 11))
    assert "context" in refused.value.message


async def test_a_node_that_is_away_and_chosen_is_missing_and_one_not_chosen_is_not(fleet: Fleet) -> None:
    await four_nodes(fleet)
    await fleet.vanish_child("shop")
    found = await fleet.client.search(QUERY, nodes="auto")
    assert (statuses(found)["shop"], found.partial) == ("unreachable", True)
    assert expected(found)["shop"] > 0.5
    other = await fleet.client.search("unpaid invoice of a customer", nodes="auto")
    assert (statuses(other)["shop"], other.partial) == ("not_selected", False)


async def test_the_pages_of_a_question_are_of_the_same_nodes(fleet: Fleet) -> None:
    await four_nodes(fleet)
    first = await fleet.client.search(QUERY, nodes="auto", limit=10)
    done = await fleet.client.run("index", {"collection": "docs", "documents": records("shop", 60)}, nodes=["crm"])
    assert done.state == "ok"
    second = await fleet.client.search(QUERY, nodes="auto", limit=20, options=SearchOptions(cursor=first.cursor))
    assert statuses(second) == statuses(first)
    whole = await fleet.client.search(QUERY, nodes=["shop"], limit=30)
    assert [hit.id for hit in first.hits + second.hits] == [hit.id for hit in whole.hits]


async def test_a_cursor_shows_nobody_more_than_its_scope(fleet: Fleet) -> None:
    await four_nodes(fleet)
    first = await fleet.client.search(QUERY, nodes="auto", limit=10)
    scoped = await fleet.new_client("clerk", "reader", scopes=Scopes(nodes=["crm", "faq"]))
    page = await scoped.search(QUERY, nodes="auto", limit=10, options=SearchOptions(cursor=first.cursor))
    assert page.hits == []
    assert statuses(page).keys() <= {"crm", "faq"}
    assert "shop" not in msgspec.json.encode(page.nodes).decode()
    with pytest.raises(Forbidden):
        await scoped.search(QUERY, nodes=Auto(["shop"]))


async def test_only_the_searched_collections_count(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": lambda: records("shop"), "mail": lambda: records("crm")})
    await fleet.start_child("wiki", {"docs": lambda: records("wiki")})
    await fleet.client.search(QUERY)
    found = await fleet.client.search(QUERY, nodes="auto", collections=["mail"])
    assert expected(found) == {"shop": 1.0, "wiki": 0.0}
    assert statuses(found) == {"shop": "ok", "wiki": "no_collection"}
