"""Ratios of two versions' figures in each round, their spread, and whether the difference is more than noise."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["ALLOWED", "Ratio", "table"]

ALLOWED = 0.03
"""A figure that is worse by no more than this is not called worse."""


class Ratio(NamedTuple):
    """One figure of two versions over the same rounds. Names that end in `_per_s` are better when higher, others lower.

    `cost` of a round is the new figure to the old one, turned so that more than 1 is worse.
    """

    name: str
    old: Sequence[float]
    new: Sequence[float]

    @property
    def costs(self) -> list[float]:
        """The cost in each round."""
        pairs = zip(self.old, self.new, strict=True)
        return [old / new if self.name.endswith("_per_s") else new / old for old, new in pairs]

    @property
    def cost(self) -> float:
        """The median of the rounds' costs."""
        return statistics.median(self.costs)

    @property
    def verdict(self) -> str:
        """`worse` or `better` if every round is so by more than is allowed; `unclear` if only the median is."""
        if min(self.costs) > 1 + ALLOWED:
            return "worse"
        if max(self.costs) < 1 - ALLOWED:
            return "better"
        return "same" if abs(self.cost - 1) <= ALLOWED else "unclear"

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "old": [round(value, 3) for value in self.old],
            "new": [round(value, 3) for value in self.new],
            "cost": round(self.cost, 4),
            "lowest_cost": round(min(self.costs), 4),
            "highest_cost": round(max(self.costs), 4),
            "verdict": self.verdict,
        }


def table(ratios: Mapping[str, Ratio]) -> str:
    """Lines for people: medians of both versions, the cost with its spread, the verdict."""
    rows = [f"{'figure':<38}{'old':>12}{'new':>12}{'cost':>8}   spread         verdict"]
    for name, ratio in ratios.items():
        old, new = statistics.median(ratio.old), statistics.median(ratio.new)
        spread = f"{min(ratio.costs):.3f} .. {max(ratio.costs):.3f}"
        rows.append(f"{name:<38}{old:>12.2f}{new:>12.2f}{ratio.cost:>8.3f}   {spread:<15}{ratio.verdict}")
    return "\n".join(rows)
