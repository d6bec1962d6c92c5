"""Answers fit into a message, and no hit is lost for it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.hit_cutting import cut_to
from fleetfold_shared.hit_truncation import MAX_ANSWER_BYTES, MAX_HIT_BYTES, cut_to_fit, first_that_fit
from fleetfold_shared.messages import Parts, ScoredDocument

pieces = st.sampled_from(["a", "é", "\x00", '"', "\U0001f600", "漢", "tent "])
texts = st.builds(lambda piece, times: piece * times, pieces, st.sampled_from([0, 10, 3_000, 60_000, 900_000]))
metadata = st.builds(
    lambda piece, times: {"note": piece * times} if times else {}, pieces, st.sampled_from([0, 5, 20_000, 500_000])
)
hits = st.lists(
    st.builds(
        lambda number, title, content, meta: ScoredDocument(
            "docs", f"id-{number}", 1.0 / (number + 1), Parts(1.0, 0.5), title, content, meta
        ),
        st.integers(0, 1000), texts, texts, metadata,
    ),
    max_size=100,
)  # fmt: skip


def size(found: list[ScoredDocument]) -> int:
    return sum(len(msgspec.json.encode(one)) for one in found)


@given(hits)
def test_hits_fit_and_none_is_dropped_or_moved(found: list[ScoredDocument]) -> None:
    fitted = cut_to_fit(found)
    assert size(fitted) <= MAX_ANSWER_BYTES
    assert [(one.id, one.score, one.parts) for one in fitted] == [(one.id, one.score, one.parts) for one in found]


def test_what_fits_is_left_as_it_is() -> None:
    found = [ScoredDocument("docs", "1", 1.0, Parts(1.0, 0.5), "a title", "word " * 1000, {"price": 9})]
    assert cut_to_fit(found) == found


def test_a_long_content_is_shortened_before_anything_else_is() -> None:
    short = ScoredDocument("docs", "1", 1.0, Parts(1.0, 0.5), "short", "a few words", {"price": 9})
    long = ScoredDocument("docs", "2", 0.9, Parts(1.0, 0.5), "long", "word " * 400_000, {"price": 8})
    first, second = cut_to_fit([short, long])
    assert first == short
    assert second.content.endswith("…")
    assert long.content.startswith(second.content.removesuffix(" …"))
    assert (second.title, second.metadata, second.cut) == ("long", {"price": 8}, ["content"])


@given(hits)
def test_the_first_hits_fit_as_they_are_and_at_least_one_is_given(found: list[ScoredDocument]) -> None:
    fitted = first_that_fit(found, MAX_HIT_BYTES)
    assert size(fitted) <= MAX_ANSWER_BYTES
    assert len(fitted) >= min(1, len(found))
    for given_one, one in zip(found, fitted, strict=False):
        assert one == given_one or (one.cut and size([given_one]) > MAX_HIT_BYTES)
    if len(fitted) < len(found):
        assert size(fitted) >= MAX_ANSWER_BYTES - MAX_HIT_BYTES


@given(hits)
def test_what_is_cut_is_named_and_all_else_is_whole(found: list[ScoredDocument]) -> None:
    for before, after in zip(found, cut_to_fit(found), strict=True):
        changed = {name for name in ("title", "content", "metadata") if getattr(before, name) != getattr(after, name)}
        assert {path.partition(".")[0] for path in after.cut} == changed


def test_of_metadata_the_largest_values_are_cut_and_the_small_ones_stay() -> None:
    metadata = {
        "price": 9, "url": "https://shop.example/1", "notes": "word " * 100_000, "tags": ["tag"] * 100_000,
        "specs": {"colour": "red", "manual": "page " * 100_000}, "serial": 10**4000,
    }  # fmt: skip
    hit = ScoredDocument("docs", "1", 1.0, Parts(1.0, 0.5), "a title", "a tent", metadata)
    after = cut_to(hit, 20_000)
    assert size([after]) <= 20_000
    kept = after.metadata
    assert (after.title, after.content, kept["price"], kept["url"]) == ("a title", "a tent", 9, metadata["url"])
    assert after.cut == ["metadata.notes", "metadata.tags", "metadata.specs.manual"]
    assert kept["notes"].endswith(" …")
    assert set(kept["tags"]) == {"tag"}
    assert kept["specs"]["colour"] == "red"
    assert kept["serial"] == 10**4000


def test_metadata_of_countless_keys_is_left_out_and_named() -> None:
    hit = ScoredDocument("docs", "1", 1.0, Parts(1.0, 0.5), "a title", "", {f"key{n}": n for n in range(10_000)})
    after = cut_to(hit, 5000)
    assert (after.title, after.metadata, after.cut) == ("a title", {}, ["metadata"])
    assert size([after]) <= 5000


@pytest.mark.parametrize("piece", ["a", "\x00", "\U0001f600"], ids=["one byte", "six bytes", "four bytes"])
def test_a_hit_of_any_size_fits_into_its_room(piece: str) -> None:
    for room in range(1950, 2020):
        hit = ScoredDocument("docs", "1", 0.5, Parts(1.0, 0.5), "a" * 10, piece * 3000, {"note": piece * 5000})
        assert size([cut_to(hit, room)]) <= room
