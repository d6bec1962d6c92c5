"""Batches: all items in order, in lists of one size, of which only the last may be shorter."""

from __future__ import annotations

import pytest

from fleetfold_shared.concurrency import batches


@pytest.mark.parametrize(
    ("count", "expected"), [(0, []), (2, [[0, 1]]), (3, [[0, 1, 2]]), (7, [[0, 1, 2], [3, 4, 5], [6]])]
)
def test_items_come_in_order_and_no_batch_is_empty(count: int, expected: list[list[int]]) -> None:
    assert list(batches(iter(range(count)), 3)) == expected
