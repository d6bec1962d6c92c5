"""`--sort price:desc`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Sort

__all__ = ["parse_sort"]

_ORDERS: Mapping[str, Literal["asc", "desc"]] = {"asc": "asc", "desc": "desc"}


def parse_sort(text: str) -> Sort:
    """Parse a sort key: a field or `_score`, optionally with `:asc` or `:desc`. Raises `InvalidInput`."""
    field, colon, order = text.rpartition(":")
    if not colon:
        return Sort(text)
    if order not in _ORDERS:
        raise InvalidInput(f"sort: {order!r} is no order; write {field}:asc or {field}:desc", field="sort")
    return Sort(field, _ORDERS[order])
