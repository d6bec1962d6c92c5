"""Facet counts of a query, document by document."""

from __future__ import annotations

from collections.abc import Sequence

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.filters import reader
from fleetfold_shared.query.facets import Tally

__all__ = ["add_up", "tallies"]


def tallies(documents: Sequence[Document], fields: Sequence[str]) -> list[Tally]:
    """Count the values of each field in these documents."""
    counted: list[Tally] = []
    for field in fields:
        tally = Tally()
        tally.count(map(reader(field), documents))
        counted.append(tally)
    return counted


def add_up(totals: Sequence[Tally], counted: Sequence[Tally]) -> None:
    """Add the counts of each facet to its total, if totals are given."""
    for total, tally in zip(totals, counted, strict=False):
        total.merge(tally)
