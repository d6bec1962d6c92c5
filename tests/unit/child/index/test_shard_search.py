"""A node's search of its collections: the time that it may take."""

from __future__ import annotations

import pytest

from fleetfold_child.index.shard_search import search_s


def test_a_tenth_of_the_time_is_kept_for_the_way_back() -> None:
    assert search_s(0.1) == pytest.approx(0.09)
    assert search_s(2.0) == pytest.approx(1.95)
