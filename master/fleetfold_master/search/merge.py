"""The merge of the nodes' top k into one. Pure, and exact, because scores are comparable across nodes."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from fleetfold_master.search.shard_response import Came
from fleetfold_shared.messages import Hit, ScoredDocument, SearchAnswer, Sort
from fleetfold_shared.query.sorting import sorted_stably
from fleetfold_shared.truncation import is_cut_short

__all__ = ["fold_page", "last_place", "merge", "merge_sorted"]


Place = tuple[float, str, str, str]
"""The sort key of a document: its negated score, node, collection and id."""


def merge(answers: Mapping[str, list[ScoredDocument]], limit: int, horizon: Place | None = None) -> list[Hit]:
    """The best `limit` documents of all nodes: by score, then by node, collection and id; none behind `horizon`."""
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
    """The best `limit` documents of all nodes, as far down as the order is certain: a node that `is_cut_short` may
    hold the next best behind its last one.

    Nodes whose hits were rescored do not limit the page: their candidates came in an order of their own.
    """
    found = {node: (report, answer) for node, (report, answer) in answers.items() if answer}
    last = [
        last_place(node, answer) for node, (report, answer) in found.items()
        if not report.rescored and is_cut_short(answer, k)
    ]  # fmt: skip
    return merge({node: answer.hits for node, (_, answer) in found.items()}, limit, min(last, default=None))


def last_place(node: str, answer: SearchAnswer) -> Place:
    """The sort key of the last hit in a node's response."""
    return max((-hit.score, node, hit.collection, hit.id) for hit in answer.hits)


def merge_sorted(answers: Mapping[str, list[ScoredDocument]], limit: int, sorts: Sequence[Sort]) -> list[Hit]:
    """The first `limit` documents of all nodes by `sorts`, then by score, node, collection and id."""
    ranked = sorted(
        ((node, doc) for node, docs in answers.items() for doc in docs),
        key=lambda pair: (-pair[1].score, pair[0], pair[1].collection, pair[1].id),
    )
    # a node version without sorting sent no values: its documents come last
    nothing = (None,) * len(sorts)
    ordered = sorted_stably(ranked, sorts, lambda pair: pair[1].sort if len(pair[1].sort) == len(sorts) else nothing)
    return [_hit(node, doc) for node, doc in ordered[:limit]]


def _hit(node: str, doc: ScoredDocument) -> Hit:
    return Hit(
        node=node, collection=doc.collection, id=doc.id, score=doc.score, title=doc.title, content=doc.content,
        parts={"bm25": doc.parts.bm25, "cosine": doc.parts.cosine}, metadata=doc.metadata,
        highlight=doc.highlight, explain=doc.explain, cut=doc.cut,
    )  # fmt: skip
