"""The verdict of a comparison is no more than its rounds allow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bench.against import Ratio, other_revision, table
from bench.against.checkout import ROOT


@pytest.mark.parametrize(
    ("name", "old", "new", "verdict"),
    [
        ("commands_1_per_s", [100, 100, 100], [90, 96, 80], "worse"),
        ("commands_1_per_s", [100, 100, 100], [110, 150, 104], "better"),
        ("start_ms", [100, 100, 100], [104, 110, 120], "worse"),
        ("start_ms", [100, 100, 100], [96, 90, 50], "better"),
        ("start_ms", [100, 100, 100], [102, 120, 80], "same"),
        ("start_ms", [100, 100, 100], [104, 120, 99], "unclear"),
    ],
)
def test_a_figure_is_worse_or_better_only_if_every_round_says_so(
    name: str, old: list[float], new: list[float], verdict: str
) -> None:
    ratio = Ratio(name, old, new)
    assert ratio.verdict == ratio.as_json()["verdict"] == verdict
    assert table({name: ratio}).endswith(verdict)


def test_each_round_is_compared_with_the_same_round_of_the_other() -> None:
    drifting = Ratio("memory_master_mb", [100, 200, 300], [101, 202, 303])
    assert drifting.as_json()["lowest_cost"] == drifting.as_json()["highest_cost"] == 1.01


def test_a_rate_that_falls_costs_more() -> None:
    assert Ratio("commands_1_per_s", [100], [50]).cost == Ratio("start_ms", [50], [100]).cost == 2.0


@pytest.mark.skipif(
    subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True, check=False).returncode != 0,
    reason="the files come from no repository",
)
def test_an_unknown_revision_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no revision 'nonsense'"), other_revision("nonsense", tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
