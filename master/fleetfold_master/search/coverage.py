"""How much of what should have been searched has been: the nodes' shares of what is expected, and who is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fleetfold_master.store import StoredNode
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import NodeReport, Search

__all__ = ["Documents", "coverage", "document_shares", "documents_of", "is_missing", "part_of", "refuse_missing"]

Documents = Mapping[str, Mapping[str, int]]
"""By node and collection, how many documents there are to be searched."""

SETTLED = frozenset({"ok", "no_collection", "not_selected"})
"""Statuses after which nothing is missing from the answer."""
NOT_WANTED = frozenset({"no_collection", "not_selected"})
MOST_NAMED = 8


def documents_of(search: Search, nodes: Iterable[StoredNode]) -> Documents:
    """What the nodes have of the collections searched, as they last told."""
    return {
        node.name: {
            one.name: one.documents
            for one in node.description.collections
            if not search.collections or one.name in search.collections
        }
        for node in nodes
    }


def document_shares(documents: Documents) -> dict[str, float]:
    """Each node's share of all documents, which is what is expected of it while nothing better is known.

    Where there are none at all, nodes with a collection are alike. They add up to 1, unless there are no nodes.
    """
    have = {node: there for node, there in documents.items() if there}
    counts = {node: sum(there.values()) for node, there in have.items()}
    total = sum(counts.values())
    return {node: count / total if total else 1 / len(have) for node, count in counts.items()}


def part_of(collections: Mapping[str, int], left_out: Sequence[str]) -> float:
    """The part of a node's documents that it has searched, when it left these collections out."""
    total = sum(collections.values())
    if not total:
        return 1 - len(set(left_out)) / max(1, len(collections))
    return 1 - sum(collections.get(name, 0) for name in set(left_out)) / total


def is_missing(report: NodeReport) -> bool:
    """Whether something of this node should be in the answer and is not: nobody else has answered in its stead."""
    return report.status not in SETTLED and report.replica is None


def coverage(reports: Sequence[NodeReport], parts: Mapping[str, float]) -> float:
    """The share of what was expected that has been searched, 0 to 1.

    `parts` are those of the nodes that are `partial`. Who was not to be asked does not count, and whoever has another
    answer in its stead counts as answered.
    """
    wanted = [one for one in reports if one.status not in NOT_WANTED or one.replica is not None]
    total = sum(one.expected for one in wanted)
    if not total:
        return 0.0 if any(map(is_missing, wanted)) else 1.0
    have = sum(one.expected * (parts.get(one.node, 1.0) if one.status == "partial" else 1.0)
               for one in wanted if one.status == "partial" or not is_missing(one))  # fmt: skip
    return min(1.0, have / total)


def refuse_missing(reports: Sequence[NodeReport]) -> None:
    """`Unavailable` naming the nodes that are missing, if any is."""
    missing = [f"{one.node} ({one.error or one.status})" for one in reports if is_missing(one)]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise Unavailable(
            f"partial: the answer lacks {', '.join(missing[:MOST_NAMED])}{more}; mend them, or ask with partial=allow",
            field="partial",
        )
