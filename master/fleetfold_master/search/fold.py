"""The fold: the nodes' top k become the one top k. Pure, and exact because every score means the same everywhere."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from fleetfold_shared.messages import Hit, ScoredDocument, Sort
from fleetfold_shared.sorting import arranged

__all__ = ["fold", "fold_sorted"]


def fold(answers: Mapping[str, list[ScoredDocument]], limit: int) -> list[Hit]:
    """The best `limit` documents of all nodes: by score, ties by node, collection and id."""
    ranked = heapq.nsmallest(
        limit,
        ((-doc.score, node, doc.collection, doc.id, doc) for node, docs in answers.items() for doc in docs),
        key=lambda entry: entry[:4],
    )
    return [_hit(node, doc) for _, node, _, _, doc in ranked]


def fold_sorted(answers: Mapping[str, list[ScoredDocument]], limit: int, sorts: Sequence[Sort]) -> list[Hit]:
    """The first `limit` documents of all nodes by `sorts`, then by score, node, collection and id."""
    ranked = sorted(
        ((node, doc) for node, docs in answers.items() for doc in docs),
        key=lambda pair: (-pair[1].score, pair[0], pair[1].collection, pair[1].id),
    )
    # a node that does not know of sorting gave no values: its documents come last
    nothing = (None,) * len(sorts)
    ordered = arranged(ranked, sorts, lambda pair: pair[1].sort if len(pair[1].sort) == len(sorts) else nothing)
    return [_hit(node, doc) for node, doc in ordered[:limit]]


def _hit(node: str, doc: ScoredDocument) -> Hit:
    return Hit(
        node=node, collection=doc.collection, id=doc.id, score=doc.score, title=doc.title, content=doc.content,
        parts={"bm25": doc.parts.bm25, "cosine": doc.parts.cosine}, metadata=doc.metadata,
        highlight=doc.highlight, explain=doc.explain,
    )  # fmt: skip
