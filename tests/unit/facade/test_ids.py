"""Ids: sorted by time, and the key that a step's retries share."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import check_slug, key_of, new_id

WORDS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=20)


@given(WORDS, WORDS, st.integers(0, 10_000))
def test_the_retries_of_a_step_share_its_key(transaction: str, step: str, attempt: int) -> None:
    first = f"t.{transaction}.{step}.f"
    assert key_of(f"{first}{attempt}") == key_of(first) == first


@given(WORDS, WORDS)
def test_steps_and_their_rollbacks_have_keys_of_their_own(transaction: str, step: str) -> None:
    forward = f"t.{transaction}.{step}.f2"
    assert key_of(forward) != key_of(f"t.{transaction}.{step}.b")
    assert key_of(forward) != key_of(f"t.{transaction}.{step}2.f2")


@pytest.mark.parametrize("node", ["shop", "f2", "f"])
def test_a_jobs_command_is_its_own_key(node: str) -> None:
    assert key_of(f"j.job.{node}") == f"j.job.{node}"


def test_ids_are_unique_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for millisecond in range(0, 3000, 7):
        monkeypatch.setattr("time.time_ns", lambda at=millisecond: (1_700_000_000_000 + at) * 1_000_000)
        made.append(new_id())
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {26}


@pytest.mark.parametrize("name", ["shop", "a", "0-9", "x" * 63])
def test_a_slug_is_given_back(name: str) -> None:
    assert check_slug(name, "name") == name


@pytest.mark.parametrize("name", ["", "-a", "A", "a.b", "a b", "a*", ">", "x" * 64, "a\n", "é"])
def test_a_name_that_may_not_stand_in_a_subject_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name:") as refused:
        check_slug(name, "name")
    assert refused.value.field == "name"
