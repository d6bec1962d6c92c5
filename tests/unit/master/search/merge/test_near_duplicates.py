"""Two listings of one thing are near; its variants are not."""

from __future__ import annotations

import numpy as np
import pytest

from fleetfold_master.search.merge.deduplication import Candidate
from fleetfold_master.search.merge.near_duplicates import NearDuplicates
from fleetfold_shared.messages import Fingerprints, Hit

TITLE = "Sony WH-1000XM4 wireless headphones with microphone, noise cancelling, 30 hours, for travel"
MOVED = "Noise cancelling, 30 hours: Sony WH-1000XM4 wireless headphones with microphone for travel"


def listing(title: str, content: str = "Battery for 30 hours.", angle: float = 0.0) -> Candidate:
    vector = np.array([np.cos(angle), np.sin(angle)], dtype="<f2").tobytes()
    return Candidate(Hit("a", "c", "1", 1.0, {}, title, content), Fingerprints(vector=vector))


def near(one: Candidate, other: Candidate) -> bool:
    judge = NearDuplicates(lambda _term: 1.0)
    assert judge(one, other) == judge(other, one)
    return judge(one, other)


@pytest.mark.parametrize(
    "title",
    [
        TITLE.upper(), TITLE.replace(",", " -"), MOVED, TITLE.replace("microphone", "microphones"),
    ],
)  # fmt: skip
def test_a_title_spelled_or_ordered_otherwise_is_the_same(title: str) -> None:
    assert near(listing(TITLE), listing(title, angle=0.1))


@pytest.mark.parametrize(
    "title",
    [
        TITLE.replace("XM4", "XM5"), TITLE.replace("30", "20"), TITLE + ", black", TITLE + ", 2 pack",
        TITLE.replace("Sony", "Bose"), TITLE.replace("with", "without"), TITLE + ", renewed", TITLE + " bundle",
        TITLE + ", women", "", "WH-1000XM4 30",
    ],
)  # fmt: skip
def test_a_variant_is_another_thing(title: str) -> None:
    assert not near(listing(TITLE), listing(title))


def test_one_colour_for_another_is_another_thing() -> None:
    assert not near(listing(TITLE + ", black"), listing(TITLE + ", blue"))


def test_the_contents_must_be_about_the_same() -> None:
    assert not near(listing(TITLE), listing(TITLE, angle=0.5))
    assert not near(listing("Order confirmed", "Order 123 is on its way"), listing("Order confirmed", "Order 124 is"))
    assert near(listing("Order confirmed", "Order 123 is on its way"), listing("Order confirmed", "Order 123"))


def test_numbers_of_a_content_count_as_often_as_they_stand() -> None:
    square, round_ = listing("Alarm clock", "5.5 x 5.5 x 2.3"), listing("Alarm clock", "5.5 x 4.75 x 2.3")
    assert not near(square, round_)


def test_without_titles_or_vectors_nothing_is_near() -> None:
    assert not near(listing(""), listing(""))
    blind = Candidate(listing(TITLE).hit, Fingerprints())
    assert not near(blind, blind)


@pytest.mark.parametrize("packed", [b"x", b"\x00\x7c" * 2, b"\xff\x7f" * 2, b"\x00\x00" * 2, b"\x00\x3c"])
def test_a_vector_that_is_none_is_near_to_nothing(packed: bytes) -> None:
    assert not near(listing(TITLE), Candidate(listing(TITLE).hit, Fingerprints(vector=packed)))


def test_each_hit_is_read_once() -> None:
    asked: list[str] = []

    def weight(term: str) -> float:
        asked.append(term)
        return 1.0

    judge, one, other = NearDuplicates(weight), listing("blue tent"), listing("blue tents")
    assert [judge(one, other) for _ in range(3)] == [True] * 3
    assert sorted(asked) == ["blue", "blue", "tent", "tent"]
