"""Nodes that are chosen: how much of the quality is kept, and how few were asked. In one process, without a bus."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.agreement import compare
from bench.folders import Question
from bench.localfleet import Answered, LocalFleet, Record
from bench.one_index import DEPTH
from bench.reference import OneIndex
from fleetfold_master.search.plan.relevance_estimate import smallest_selection

__all__ = ["SHARES", "measure_split"]

SHARES = (0.1, 0.2, 0.3, 0.5)
"""Of the nodes, the likeliest first, rounded up."""


async def measure_split(
    title: str, shares: Mapping[str, tuple[str, Sequence[Record]]], questions: Sequence[Question], index: OneIndex
) -> dict[str, Any]:
    """The figures of nodes that have these records: node -> its collection and the records.

    `kept` is nDCG@10 over that of asking all, at each of `SHARES` and by `auto`; means over the collections of the
    questions, each weighing the same.
    """
    with tempfile.TemporaryDirectory() as data:
        async with LocalFleet.of(shares, Path(data)) as fleet:
            answered = [await fleet.ask(one.text) for one in questions]
            members = fleet.members
    names = [member.name for member in members]
    chosen = [smallest_selection(members, one.expected) for one in answered]
    every = _quality(questions, answered, [names] * len(answered))
    fixed = {
        f"{share:.0%}": [_likeliest(one, math.ceil(share * len(names))) for one in answered] for share in SHARES
    }  # fmt: skip
    return {
        "title": title,
        "nodes": len(names),
        "queries": len(questions),
        "all": {"ndcg_at_10": every[0], "recall_at_10": every[1]},
        "same_top_ten": sum(map(_agrees, questions, answered, [names] * len(answered), [index] * len(answered))),
        "kept": {share: _kept(_quality(questions, answered, nodes)[0], every[0]) for share, nodes in fixed.items()},
        "auto": {
            "kept": _kept(_quality(questions, answered, chosen)[0], every[0]),
            "asked": round(_macro(questions, [len(nodes) / len(names) for nodes in chosen]), 4),
        },
    }


def _agrees(question: Question, answered: Answered, names: Sequence[str], index: OneIndex) -> bool:
    """Whether the nodes' one ranking is the one index's, ties aside."""
    ours = [((hit.collection, hit.id), hit.score) for hit in answered.hits(names)]
    parted = compare(ours, index.search(question.text, DEPTH))
    return parted is None or parted.tie


def _likeliest(answered: Answered, count: int) -> list[str]:
    return sorted(answered.expected, key=lambda name: (-answered.expected[name], name))[:count]


def _quality(
    questions: Sequence[Question], answered: Sequence[Answered], asked: Sequence[Sequence[str]]
) -> tuple[float, float]:
    """nDCG@10 and recall@10 when of each question these nodes are asked."""
    got = [
        question.quality([(hit.collection, hit.id) for hit in one.hits(nodes)])
        for question, one, nodes in zip(questions, answered, asked, strict=True)
    ]
    return _macro(questions, [one[0] for one in got]), _macro(questions, [one[1] for one in got])


def _macro(questions: Sequence[Question], values: Sequence[float]) -> float:
    """The mean over the collections of the mean over their questions."""
    by_collection: dict[str, list[float]] = {}
    for question, value in zip(questions, values, strict=True):
        by_collection.setdefault(question.collection, []).append(value)
    return round(statistics.fmean(map(statistics.fmean, by_collection.values())), 4)


def _kept(ndcg: float, of_all: float) -> float:
    return round(ndcg / of_all, 4) if of_all else 1.0
