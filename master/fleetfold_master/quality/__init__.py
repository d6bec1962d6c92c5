"""How good searches are: judgements, clicks, counts of empty answers, and the figures made of them."""

from __future__ import annotations

from fleetfold_master.quality.book import Book
from fleetfold_master.quality.counts import Counts
from fleetfold_master.quality.measuring import Measuring

__all__ = ["Book", "Counts", "Measuring"]
