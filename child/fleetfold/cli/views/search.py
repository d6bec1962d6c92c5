"""The answer to a search, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold.cli.views.facets import facets
from fleetfold.cli.views.text import cell, ms, one_line, state, table
from fleetfold_shared.messages import Hit, NodeReport, Searched

__all__ = ["answer"]

SNIPPET = 100
"""Characters of a hit's content."""


def answer(found: Searched) -> RenderableType:
    """The hits in their order; the facets, if any; then how each node did."""
    hits = _hits(found.hits) if found.hits else Text("nothing found")
    nodes = [_nodes(found.nodes), Text()] if found.nodes else []
    counted = facets(found.facets)
    return Group(hits, Text(), *counted, *nodes, Text(_summary(found), "yellow" if found.partial else "dim"))


def _hits(hits: Sequence[Hit]) -> RenderableType:
    return Group(*(line for rank, hit in enumerate(hits, 1) for line in _hit(rank, hit)))


def _hit(rank: int, hit: Hit) -> list[Text]:
    head = Text.assemble(
        (f"{rank:3}  ", "dim"), (f"{hit.score:.3f}", "bold"), "  ",
        cell(f"{hit.node}/{hit.collection}/{hit.id}", "cyan"), "  ", cell(one_line(hit.title, SNIPPET), "bold"),
    )  # fmt: skip
    snippet = one_line(hit.content, SNIPPET)
    return [head, Text(f"     {snippet}", "dim", no_wrap=True, overflow="ellipsis")] if snippet else [head]


def _nodes(reports: Sequence[NodeReport]) -> RenderableType:
    made = table("node", "status", "hits", "time", "", right=frozenset({"hits", "time"}))
    for report in reports:
        made.add_row(cell(report.node), state(report.status), str(report.count), ms(report.ms), cell(_note(report)))
    return made


def _note(report: NodeReport) -> str:
    return report.error or ("" if report.exact else "candidates only")


def _summary(found: Searched) -> str:
    partial = "; partial: a node that was asked is missing" if found.partial else ""
    return f"{found.total} hit{'' if found.total == 1 else 's'} in {ms(found.took_ms)}{partial}"
