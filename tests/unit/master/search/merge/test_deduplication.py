"""Which hits are one thing: nothing is lost, nothing counted twice, and nothing depends on who answers first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.merge.deduplication import Candidate, distinct
from fleetfold_shared.messages import Fingerprints, Hit, Source


def candidate(node: str, identity: str, score: float = 1.0, digest: str = "", **more: Any) -> Candidate:
    hit = Hit(node, more.pop("collection", "c"), identity, score, {}, more.pop("title", "t"), "")
    return Candidate(hit, Fingerprints(digest.encode() or None, **more))


def names(found: list[tuple[int, Hit]]) -> list[list[str]]:
    """The winners' ids, each with those of its other sources."""
    return [[hit.id, *(one.id for one in hit.also)] for _, hit in found]


def rank(one: Candidate) -> tuple[float, str, str, str]:
    return (-one.hit.score, one.hit.node, one.hit.collection, one.hit.id)


marks = st.builds(
    Fingerprints,
    digest=st.none() | st.sampled_from([b"a", b"b", b"c"]),
    keys=st.lists(st.sampled_from(["gtin:g:1", "gtin:g:2", "sku:s:1", "sku:s:2", "url:u:1", "email:e:1"]), max_size=2),
    traits=st.dictionaries(st.just("colour"), st.sampled_from(["red", "blue"]), max_size=1),
)
hits = st.builds(
    Hit, st.sampled_from(["shop", "blog", "crm"]), st.sampled_from("cd"), st.sampled_from("uvwxyz"),
    st.sampled_from([0.25, 0.5, 1.0]), st.just({}), st.sampled_from(["p", "q", "r", "s"]), st.just(""),
)  # fmt: skip
rankings = st.lists(
    st.builds(Candidate, hits, marks), max_size=14, unique_by=lambda one: (one.hit.node, one.hit.collection, one.hit.id)
).map(lambda found: sorted(found, key=rank))


def neighbours(one: Candidate, other: Candidate) -> bool:
    """p is like q and q like r, but p is not like r."""
    return abs(ord(one.hit.title) - ord(other.hit.title)) <= 1


@given(rankings, st.booleans())
def test_every_hit_is_a_winner_or_in_exactly_one_winners_also(ranked: list[Candidate], near: bool) -> None:
    found = distinct(ranked, 100, neighbours if near else None)
    shown = [(hit.node, hit.collection, hit.id) for _, hit in found]
    dropped = [(one.node, one.collection, one.id) for _, hit in found for one in hit.also]
    there = sorted((one.hit.node, one.hit.collection, one.hit.id) for one in ranked)
    assert sorted(shown + dropped) == there
    assert [place for place, _ in found] == sorted(place for place, _ in found)
    for place, hit in found:
        assert ranked[place].hit.id == hit.id
        order = [(-one.score, one.node, one.collection, one.id) for one in hit.also]
        assert order == sorted(order)
        assert all(one > rank(ranked[place]) for one in order)


@given(rankings)
def test_what_differs_in_a_gtin_or_a_trait_is_never_one(ranked: list[Candidate]) -> None:
    by_name = {(one.hit.node, one.hit.collection, one.hit.id): one.marks for one in ranked}
    for _, hit in distinct(ranked, 100, lambda _one, _other: True):
        together = [by_name[one.node, one.collection, one.id] for one in (hit, *hit.also)]
        assert len({colour for one in together if (colour := one.traits.get("colour"))}) <= 1


@given(rankings, st.integers(1, 5), st.booleans())
def test_a_shorter_page_is_the_beginning_of_a_longer_one(ranked: list[Candidate], limit: int, near: bool) -> None:
    alike = neighbours if near else None
    short, long = ([(place, hit.id) for place, hit in distinct(ranked, size, alike)] for size in (limit, 100))
    assert short == long[:limit]


@given(rankings)
def test_whoever_is_near_is_near_to_the_winner_itself(ranked: list[Candidate]) -> None:
    bare = [Candidate(one.hit, Fingerprints()) for one in ranked]
    titles = {(one.hit.node, one.hit.collection, one.hit.id): one.hit.title for one in ranked}
    for _, hit in distinct(bare, 100, neighbours):
        for one in hit.also:
            assert abs(ord(hit.title) - ord(titles[one.node, one.collection, one.id])) <= 1


def test_the_same_content_is_shown_once_with_its_other_sources() -> None:
    ranked = [candidate("shop", "1", 0.9, "x"), candidate("blog", "2", 0.8, "y"), candidate("crm", "3", 0.7, "x")]
    [(_, first), (_, second)] = distinct(ranked, 10)
    assert first.also == [Source("crm", "c", "3", 0.7)]
    assert (second.id, second.also) == ("2", [])


def test_the_same_id_on_two_nodes_says_nothing() -> None:
    assert names(distinct([candidate("blog", "1", digest="x"), candidate("shop", "1", digest="y")], 10)) == [
        ["1"],
        ["1"],
    ]


def test_hits_without_marks_stay_by_themselves() -> None:
    assert names(distinct([candidate("blog", "1"), candidate("shop", "2")], 10)) == [["1"], ["2"]]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("gtin:gtin:1", "gtin:gtin:1", True), ("sku:sku:1", "sku:sku:1", True), ("sku:sku:1", "sku:part:1", False),
        ("sku:sku:1", "sku:sku:2", False),
    ],
)  # fmt: skip
def test_keys_of_one_name_match_and_no_others(one: str, other: str, together: bool) -> None:
    ranked = [candidate("a", "1", keys=[one]), candidate("b", "2", keys=[other])]
    assert names(distinct(ranked, 10)) == ([["1", "2"]] if together else [["1"], ["2"]])


def test_a_third_that_is_the_same_as_both_makes_two_one() -> None:
    ranked = [
        candidate("a", "1", digest="x"), candidate("b", "2", keys=["gtin:g:1"]),
        candidate("c", "3", digest="x", keys=["gtin:g:1"]),
    ]  # fmt: skip
    assert names(distinct(ranked, 10)) == [["1", "2", "3"]]


def test_skus_tell_apart_within_a_collection_and_not_between_shops() -> None:
    within = [candidate("a", str(n), digest="x", keys=[f"sku:sku:{n}"]) for n in range(2)]
    between = [candidate(node, node, digest="x", keys=[f"sku:sku:{node}"]) for node in "ab"]
    assert names(distinct(within, 10)) == [["0"], ["1"]]
    assert names(distinct(between, 10)) == [["a", "b"]]


def test_variants_with_one_text_stay_apart() -> None:
    ranked = [candidate("a", colour, digest="x", traits={"colour": colour}) for colour in ("blue", "red")]
    either = candidate("b", "unknown", digest="x")
    assert names(distinct([*ranked, either], 10)) == [["blue", "unknown"], ["red"]]
