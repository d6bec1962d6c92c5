"""The view of explanations: the parts of a hit's score, and how each node was asked."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from fleetfold_cli.views.text import cell, ms, table
from fleetfold_shared.messages import CollectionExplained, Explained, Hit, NodeExplained, NodeReport

__all__ = ["node_lines", "score_lines"]

COLUMNS = ("term", "in query", "in document", "idf", "BM25", "over divisor")


def score_lines(hit: Hit) -> list[RenderableType]:
    """The sum that is the hit's score, then each term's part of it; nothing if it is not explained."""
    one = hit.explain
    if one is None:
        return []
    over = one.bm25 / one.divisor if one.divisor > 0 else one.bm25
    total = (
        f"{hit.score:.4f} = {one.alpha:g} x BM25 {over:.4f} + {1 - one.alpha:g} x cosine {one.cosine:.4f}; "
        f"BM25 {over:.4f} = {one.bm25:.4f} / {one.divisor:.4f}; "
        f"{one.length:,} terms in the document, {one.avgdl:,.1f} in the mean"
    )
    shown: list[RenderableType] = [Text(total), *([_terms(one)] if one.terms else [])]
    return [Padding(line, (0, 0, 0, 5)) for line in shown]


def node_lines(report: NodeReport) -> list[Text]:
    """Why the node was or was not asked, how long it took and what it scored; nothing if it is not explained."""
    one = report.explain
    if one is None:
        return []
    facts = "; ".join((one.reason, *_facts(one)))
    return [Text.assemble(cell(report.node, "cyan"), ": ", cell(facts)), *map(_collection, one.collections)]


def _terms(one: Explained) -> RenderableType:
    made = table(*COLUMNS, right=frozenset(COLUMNS[1:]))
    for term in one.terms:
        scores = (f"{term.idf:.4f}", f"{term.bm25:.4f}", f"{term.share:.4f}")
        made.add_row(cell(term.term), str(term.qtf), str(term.tf), *scores)
    if one.others:
        over = one.others_bm25 / one.divisor if one.divisor > 0 else one.others_bm25
        made.add_row(f"{one.others} more", "", "", "", f"{one.others_bm25:.4f}", f"{over:.4f}")
    return made


def _facts(one: NodeExplained) -> Iterator[str]:
    if one.inside_ms is not None:
        yield f"{ms(one.inside_ms)} inside it, {ms(one.way_ms)} on the way"
    if one.scored is not None:
        yield f"{one.scored:,} of {one.documents:,} documents scored, {'exact' if one.exact else 'candidates'}"
        yield "the master's statistics are its own" if one.current else "the master's statistics are older than its own"


def _collection(one: CollectionExplained) -> Text:
    exact = "exact" if one.exact else "candidates"
    held = "none" if one.master_epoch is None else str(one.master_epoch)
    scored = f"{one.scored:,} of {one.documents:,} scored, {exact}"
    return cell(f"  {one.collection}: {scored}; statistics' epoch {one.epoch}, the master's {held}")
