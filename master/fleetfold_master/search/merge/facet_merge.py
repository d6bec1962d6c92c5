"""The merge of the nodes' facets, by adding counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fleetfold_shared.messages import Facet, FacetValue, SearchAnswer
from fleetfold_shared.query.facets import FacetCounter

__all__ = ["SHOWN", "merged_facets"]

SHOWN = 20
"""The most values of a facet that are shown."""


def merged_facets(fields: Sequence[str], answers: Collection[SearchAnswer]) -> list[Facet]:
    """For each field, its values in all responses, the most frequent first."""
    return [_merged(field, answers) for field in fields]


def _merged(field: str, answers: Collection[SearchAnswer]) -> Facet:
    counter, approximate = FacetCounter(), False
    for answer in answers:
        counts = next((one for one in answer.facets if one.field == field), None)
        if counts is None:  # an error, no such collection, or a node version without facets
            approximate |= answer.status in {"ok", "partial"}
            continue
        counter.add_missing(counts.missing)
        for one in counts.values:
            counter.add(one.value, one.count)
        approximate |= counts.cut or not answer.exact or answer.status == "partial"
    shown = [FacetValue(value, documents) for value, documents in counter.most(SHOWN)]
    return Facet(field, shown, counter.missing, counter.distinct, approximate)
