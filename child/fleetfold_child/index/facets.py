"""Facet counts of a query, document by document."""

from __future__ import annotations

from collections.abc import Sequence

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.filters import reader
from fleetfold_shared.query.facets import FacetCounter

__all__ = ["add_up", "count_facets"]


def count_facets(documents: Sequence[Document], fields: Sequence[str]) -> list[FacetCounter]:
    """Count the values of each field in these documents."""
    counted: list[FacetCounter] = []
    for field in fields:
        counter = FacetCounter()
        counter.count(map(reader(field), documents))
        counted.append(counter)
    return counted


def add_up(totals: Sequence[FacetCounter], counted: Sequence[FacetCounter]) -> None:
    """Add the counts of each facet to its total, if totals are given."""
    for total, counter in zip(totals, counted, strict=False):
        total.merge(counter)
