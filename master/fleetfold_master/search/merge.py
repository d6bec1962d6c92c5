"""The fold: the nodes' top k become the one top k. Pure, and exact because every score means the same everywhere."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from fleetfold_master.search.shard_response import Came
from fleetfold_shared.messages import Hit, ScoredDocument, SearchAnswer, Sort
from fleetfold_shared.query.sorting import arranged
from fleetfold_shared.truncation import is_cut_short

__all__ = ["fold_page", "last_place", "merge", "merge_sorted"]


Place = tuple[float, str, str, str]
"""Where a document stands: its score below zero, its node, its collection and its id."""


def merge(answers: Mapping[str, list[ScoredDocument]], limit: int, horizon: Place | None = None) -> list[Hit]:
    """The best `limit` documents of all nodes: by score, ties by node, collection and id; none behind `horizon`."""
    ranked = heapq.nsmallest(
        limit,
        ((-doc.score, node, doc.collection, doc.id, doc) for node, docs in answers.items() for doc in docs),
        key=lambda entry: entry[:4],
    )
    return [
        _hit(node, doc)
        for *place, node, collection, identity, doc in ranked
        if horizon is None or (*place, node, collection, identity) <= horizon
    ]


def fold_page(answers: Mapping[str, Came], limit: int, k: int) -> list[Hit]:
    """The best `limit` documents of all nodes, as far down as it is known: a node that `is_cut_short` may have the next
    best behind its last.

    One whose hits were rescored is not: what it gave were candidates, in an order of its own.
    """
    found = {node: (report, answer) for node, (report, answer) in answers.items() if answer}
    last = [
        last_place(node, answer) for node, (report, answer) in found.items()
        if not report.rescored and is_cut_short(answer, k)
    ]  # fmt: skip
    return merge({node: answer.hits for node, (_, answer) in found.items()}, limit, min(last, default=None))


def last_place(node: str, answer: SearchAnswer) -> Place:
    """Where the last hit of a node's answer stands."""
    return max((-hit.score, node, hit.collection, hit.id) for hit in answer.hits)


def merge_sorted(answers: Mapping[str, list[ScoredDocument]], limit: int, sorts: Sequence[Sort]) -> list[Hit]:
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
        highlight=doc.highlight, explain=doc.explain, cut=doc.cut,
    )  # fmt: skip
