"""The key of a command: what a target sees of it, the same for a step's retries and for nothing else."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.ids import key_of

WORDS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=20)


@given(WORDS, WORDS, st.integers(0, 10_000))
def test_the_retries_of_a_step_share_its_key(transaction: str, step: str, attempt: int) -> None:
    first = f"t.{transaction}.{step}.f"
    assert key_of(f"{first}{attempt}") == key_of(first) == first


@given(WORDS, WORDS, st.integers(2, 10_000), st.integers(2, 10_000))
def test_whatever_undoes_a_step_shares_one_key(transaction: str, step: str, number: int, attempt: int) -> None:
    """A refund that failed after it had paid, and is tried again, must be known to its target."""
    first = f"t.{transaction}.{step}.c"
    tries = [f"{first}r{attempt}", f"{first}{number}", f"{first}{number}r{attempt}"]
    assert {key_of(each) for each in tries} == {key_of(first)} == {first}
    assert key_of(first) != key_of(f"t.{transaction}.{step}.f")


@given(WORDS, WORDS)
def test_steps_and_their_rollbacks_have_keys_of_their_own(transaction: str, step: str) -> None:
    forward = f"t.{transaction}.{step}.f2"
    assert key_of(forward) != key_of(f"t.{transaction}.{step}.b")
    assert key_of(forward) != key_of(f"t.{transaction}.{step}2.f2")


@pytest.mark.parametrize("node", ["shop", "f2", "f"])
def test_a_jobs_command_is_its_own_key(node: str) -> None:
    assert key_of(f"j.job.{node}") == f"j.job.{node}"
