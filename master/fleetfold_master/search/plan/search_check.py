"""The check of a caller's search, before anything is done for it."""

from __future__ import annotations

import math

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Search
from fleetfold_shared.query.facets import check_facets
from fleetfold_shared.query.filter_validation import check_filter
from fleetfold_shared.query.sorting import check_sort

__all__ = ["check_search"]


def check_search(search: Search) -> None:
    """Raise `InvalidInput`, naming the field."""
    if not search.query.strip():
        raise InvalidInput("query: it is empty; say what to look for", field="query")
    if not 1 <= search.limit <= 100:
        raise InvalidInput(f"limit: {search.limit} is outside 1-100; ask for 1 to 100 hits", field="limit")
    if search.threshold is not None and not math.isfinite(search.threshold):
        raise InvalidInput("threshold: it must be a finite number", field="threshold")
    if search.cursor is not None and search.dedup != "off":
        raise InvalidInput("cursor: a search without duplicates has one page; ask for up to 100 hits", field="cursor")
    if search.cursor is not None and search.sort:
        raise InvalidInput("cursor: a sorted search has one page; ask for up to 100 hits", field="cursor")
    if search.sort and search.dedup != "off":
        raise InvalidInput("sort: a search without duplicates is by score; leave out sort, or dedup", field="sort")
    if search.filter is not None:
        check_filter(search.filter)
    check_facets(search.facets)
    check_sort(search.sort)
