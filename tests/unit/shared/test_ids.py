"""Names that may stand in a subject, and ids that sort by time."""

from __future__ import annotations

import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import Slug, check_slug, new_id


@given(st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,62}\Z"))
def test_a_slug_is_returned_as_it_is(name: str) -> None:
    assert check_slug(name, "name") == name


@pytest.mark.parametrize("name", ["", "Shop", "-shop", "a.b", "a b", "*", ">", "ü", "a" * 64, "shop\n"])
def test_what_would_change_a_subject_is_no_name(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"name: .*a-z, 0-9") as refused:
        check_slug(name, "name")
    assert refused.value.field == "name"
    assert "\n" not in refused.value.message
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, Slug)


def test_ids_sort_by_time_and_differ_within_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1, 999_999, 1_000_000, 10**18, 2 * 10**18])
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    first, second, *later = (new_id() for _ in range(5))
    assert first != second
    assert sorted([first, *later]) == [first, *later]
    assert max(first, second) < later[0]


def test_an_id_is_a_token_of_26_characters() -> None:
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", one) for one in made)
