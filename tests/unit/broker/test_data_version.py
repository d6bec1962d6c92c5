"""Data of a later series is refused; within a series one may go forward and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold_broker.data_version import STAMP, stamp_version
from fleetfold_shared.errors import Conflict, InvalidInput


@pytest.mark.parametrize(
    ("before", "now"), [("", "0.2.0"), ("0.1.0", "0.2.0"), ("0.2.1", "0.2.0"), ("1.9.0", "1.2.0"), ("?!", "0.2.0")]
)
def test_data_of_the_same_or_an_earlier_series_is_taken_and_stamped(tmp_path: Path, before: str, now: str) -> None:
    if before:
        (tmp_path / STAMP).write_text(before)
    stamp_version(tmp_path, now)
    assert (tmp_path / STAMP).read_text() == f"{now}\n"


@pytest.mark.parametrize(("before", "now"), [("0.3.0", "0.2.9"), ("1.0.0", "0.9.0"), ("2.0.0rc1", "1.12.3")])
def test_data_of_a_later_series_is_refused_in_one_line_and_left_as_it_is(tmp_path: Path, before: str, now: str) -> None:
    (tmp_path / STAMP).write_text(before)
    with pytest.raises(Conflict, match=f"used by fleetfold {before}, and this is {now}.*install") as refused:
        stamp_version(tmp_path, now)
    assert "\n" not in refused.value.message
    assert (tmp_path / STAMP).read_text() == before


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(InvalidInput, match=r"data: .*/data cannot be used"):
        stamp_version(tmp_path / "data", "0.2.0")
