"""Coverage: the share of the expected relevance that was searched, and which nodes are missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import NodeReport

__all__ = ["SETTLED", "coverage", "part_of", "refuse_missing"]

SETTLED = frozenset({"ok", "no_collection", "not_selected"})
"""Statuses of nodes of which nothing is missing from the answer."""
NOT_WANTED = frozenset({"no_collection", "not_selected"})
MOST_NAMED = 8


def part_of(collections: Mapping[str, int], left_out: Sequence[str]) -> float:
    """The share of a node's documents that it searched, given the collections it left out."""
    total = sum(collections.values())
    if not total:
        return 1 - len(set(left_out)) / max(1, len(collections))
    return 1 - sum(collections.get(name, 0) for name in set(left_out)) / total


def coverage(reports: Sequence[NodeReport], parts: Mapping[str, float], missing: Collection[str]) -> float:
    """The share of the expected relevance that was searched, 0 to 1.

    `parts` are the shares of the nodes that are `partial`. Nodes that were not to be asked do not count; nodes that
    are not `missing`, because a replica answered instead, count as answered.
    """
    wanted = [one for one in reports if one.status not in NOT_WANTED or one.replica is not None]
    total = sum(one.expected for one in wanted)
    if not total:
        return 0.0 if missing else 1.0
    have = sum(one.expected * (parts.get(one.node, 1.0) if one.status == "partial" else 1.0)
               for one in wanted if one.status == "partial" or one.node not in missing)  # fmt: skip
    return min(1.0, have / total)


def refuse_missing(reports: Sequence[NodeReport]) -> None:
    """Raise `Unavailable`, naming the missing nodes, if there are any."""
    missing = [f"{one.node} ({one.error or one.status})" for one in reports]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise Unavailable(
            f"partial: the answer lacks {', '.join(missing[:MOST_NAMED])}{more}; mend them, or ask with partial=allow",
            field="partial",
        )
