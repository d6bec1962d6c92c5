"""Comparison of this checkout with another revision: the same figures of both, alternating in one run."""

from bench.against.checkout import Checkout, other_revision
from bench.against.comparison import SCENARIOS, compare
from bench.against.ratios import Ratio, table

__all__ = ["SCENARIOS", "Checkout", "Ratio", "compare", "other_revision", "table"]
