"""Durations as people type them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_cli.parsing.durations import duration_s
from fleetfold_shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("1.5h", 5400), ("7d", 604_800)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration_s(text, "expires") == seconds


@pytest.mark.parametrize("text", ["", "h", "1", "1w", "-1h", "1h30m", "1 h", "1e3s", "٣s\u0000"])
def test_anything_else_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"expires: .* is no duration: write 90s, 15m, 1h or 7d") as refused:
        duration_s(text, "expires")
    assert refused.value.field == "expires"


@given(st.text(max_size=8))
def test_no_text_gives_less_than_nothing_or_breaks(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert duration_s(text, "since") >= 0
