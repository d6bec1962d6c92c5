"""The merge of the nodes' top k into one. Pure, and exact, because scores are comparable across nodes."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import starmap
from operator import attrgetter

from fleetfold_master.search.shard_response import ShardResponses
from fleetfold_shared.hit_truncation import is_cut_short
from fleetfold_shared.messages import Hit, ScoredDocument, SearchAnswer, Sort
from fleetfold_shared.query.sorting import sorted_stably

__all__ = ["HitOrder", "last_place", "merge", "merge_page", "merge_sorted"]

HitOrder = tuple[float, str, str, str]
"""The sort key of a document: its negated score, node, collection and id."""


def merge(answers: Mapping[str, list[ScoredDocument]], limit: int, horizon: HitOrder | None = None) -> list[Hit]:
    """The best `limit` documents of all nodes: by score, then by node, collection and id; none behind `horizon`."""
    ranked = heapq.nsmallest(
        limit,
        ((-doc.score, node, doc.collection, doc.id, doc) for node, docs in answers.items() for doc in docs),
        key=lambda entry: entry[:4],
    )
    shown = ((one[1], one[4]) for one in ranked if horizon is None or one[:4] <= horizon)
    return list(starmap(_hit, shown))


def merge_page(responses: ShardResponses, limit: int, k: int) -> list[Hit]:
    """The best `limit` documents of all nodes, as far down as the order is certain: a node that `is_cut_short` may
    hold the next best behind its last one.

    Nodes whose hits were rescored do not limit the page: their candidates came in an order of their own.
    """
    found = {node: (report, answer) for node, (report, answer) in responses.items() if answer}
    last = [
        last_place(node, answer) for node, (report, answer) in found.items()
        if not report.rescored and is_cut_short(answer, k)
    ]  # fmt: skip
    return merge({node: answer.hits for node, (_, answer) in found.items()}, limit, min(last, default=None))


def last_place(node: str, answer: SearchAnswer) -> HitOrder:
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
    return list(starmap(_hit, ordered[:limit]))


_FIELDS = tuple(name for name in ScoredDocument.__struct_fields__ if name in Hit.__struct_fields__ and name != "parts")
"""The fields that a hit has from its document; a new one needs no line here."""
_values_of = attrgetter(*_FIELDS)


def _hit(node: str, doc: ScoredDocument) -> Hit:
    parts = {"bm25": doc.parts.bm25, "cosine": doc.parts.cosine}
    return Hit(node=node, parts=parts, **dict(zip(_FIELDS, _values_of(doc), strict=True)))
