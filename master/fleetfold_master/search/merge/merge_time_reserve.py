"""The merge margin: the part of a search's time limit that is reserved for merging, learned from earlier merges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from fleetfold_master.nodes import RoundTripEstimator
from fleetfold_shared.messages import Search

__all__ = ["MergeMargin"]

LEAST_S, FIRST_S, EACH_S, MOST_SHARE = 0.002, 0.03, 0.002, 0.25
"""The time reserved for merging: at least so much in seconds, initially, per concurrent search, and at most so much of
the time limit.

Searches that wait for the same node end together, and are merged one after another: hence the part per search.
"""


class MergeMargin:
    """Learns from each merge, by the kind of deduplication. All times are seconds."""

    def __init__(self) -> None:
        self._usual: dict[str, RoundTripEstimator] = defaultdict(RoundTripEstimator)
        self._searches = 0

    @contextmanager
    def search(self) -> Iterator[None]:
        """Count a search as in progress."""
        self._searches += 1
        try:
            yield
        finally:
            self._searches -= 1

    def took(self, search: Search, seconds: float) -> None:
        """Record a merge."""
        self._usual[search.dedup].took(seconds)

    def reserved_s(self, search: Search) -> float:
        """Seconds reserved for merging: twice the usual, because the answer must be encoded as well."""
        usual = self._usual[search.dedup]
        usual_s = 2 * usual.usual if usual.known else FIRST_S
        return min(max(LEAST_S, usual_s) + EACH_S * self._searches, MOST_SHARE * search.timeout_ms / 1000)
