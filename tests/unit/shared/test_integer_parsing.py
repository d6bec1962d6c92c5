"""Whole numbers in foreign text: plain digits, and no more than fit."""

from __future__ import annotations

import pytest

from fleetfold_shared.integer_parsing import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("007", 7), ("9" * 19, 10**19 - 1), ("", None), ("9" * 20, None), ("9" * 5000, None), ("²", None),
        ("٣", None), ("1.0", None), ("-1", None), ("+1", None), (" 1", None), ("1_000", None), ("1e3", None),
    ],
)  # fmt: skip
def test_only_plain_digits_are_a_number(text: str, number: int | None) -> None:
    assert whole_number(text) == number
