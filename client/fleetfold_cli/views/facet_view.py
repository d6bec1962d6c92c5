"""The view of facets: values with their counts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import RenderableType
from rich.text import Text

from fleetfold_cli.views.text import cell, table
from fleetfold_shared.messages import Facet, FacetValue

__all__ = ["facets"]


def facets(given: Sequence[Facet]) -> list[RenderableType]:
    """A table for each facet, with an empty line below."""
    return [part for facet in given for part in (_facet(facet), Text())]


def _facet(facet: Facet) -> RenderableType:
    made = table()
    made.add_column(cell(facet.field))
    made.add_column("about" if facet.approximate else "documents", justify="right")
    for one in facet.values:
        made.add_row(cell(_shown(one)), f"{one.count:,}")
    more = facet.distinct - len(facet.values)
    if more > 0:
        made.add_row(Text(f"{more:,} more value{'' if more == 1 else 's'}", "dim"), "")
    if facet.missing:
        made.add_row(Text("no value", "dim"), f"{facet.missing:,}")
    return made


def _shown(one: FacetValue) -> str:
    return one.value if isinstance(one.value, str) else msgspec.json.encode(one.value).decode()
