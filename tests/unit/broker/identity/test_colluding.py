"""Two identities of one owner: by the permissions alone, no one reaches another."""

from __future__ import annotations

from itertools import product

import pytest

from fleetfold_broker.identity import Grant
from support.identities import IDENTITIES, hears, overlap, says


@pytest.mark.parametrize(
    ("one", "other"),
    [(one, other) for one, other in product(IDENTITIES.values(), repeat=2) if one != other],
    ids=lambda grant: f"{grant.name}-{grant.role}-{grant.grade}",
)
def test_what_one_may_publish_no_other_may_hear(one: Grant, other: Grant) -> None:
    reached = [(said, heard) for said in says(one) for heard, _ in hears(other) if overlap(said, heard)]
    assert reached == []


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("a.b", "a.b", True), ("a.b", "a.c", False), ("a.*", "a.b", True), ("a.>", "a.b.c", True),
        ("a.>", "a", False), ("*.b", "a.*", True), (">", "a.b", True), ("a.b", "a.b.c", False),
    ],
)  # fmt: skip
def test_two_patterns_overlap_if_one_subject_is_in_both(one: str, other: str, both: bool) -> None:
    assert overlap(one, other) == overlap(other, one) == both
