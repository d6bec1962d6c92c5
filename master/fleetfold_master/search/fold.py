"""The fold: the nodes' top k become the one top k. Pure, and exact because every score means the same everywhere."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from fleetfold_shared.messages import Hit, ScoredDocument

__all__ = ["fold"]


def fold(answers: Mapping[str, list[ScoredDocument]], limit: int) -> list[Hit]:
    """The best `limit` documents of all nodes: by score, ties by node, collection and id."""
    ranked = heapq.nsmallest(
        limit,
        ((-doc.score, node, doc.collection, doc.id, doc) for node, docs in answers.items() for doc in docs),
        key=lambda entry: entry[:4],
    )
    return [_hit(node, doc) for _, node, _, _, doc in ranked]


def _hit(node: str, doc: ScoredDocument) -> Hit:
    return Hit(
        node=node, collection=doc.collection, id=doc.id, score=doc.score, title=doc.title, content=doc.content,
        parts={"bm25": doc.parts.bm25, "cosine": doc.parts.cosine}, metadata=doc.metadata,
        highlight=doc.highlight, explain=doc.explain,
    )  # fmt: skip
