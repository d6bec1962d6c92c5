"""The view of a search response."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from fleetfold_cli.views.explain_view import node_lines, score_lines
from fleetfold_cli.views.facet_view import facets
from fleetfold_cli.views.highlight_view import marked
from fleetfold_cli.views.text import cell, ms, one_line, state, table
from fleetfold_shared.messages import Hit, NodeReport, Searched

__all__ = ["answer"]

SNIPPET = 100
"""Characters of a hit's content."""

SOURCES = 3
"""Other sources of a hit that are named."""


def answer(found: Searched, *, styled: bool = False) -> RenderableType:
    """The hits in their order; the facets, if any; then how each node did.

    Matched terms are bold if it is `styled`, else within `**`.
    """
    hits = _hits(found.hits, styled) if found.hits else Text("nothing found")
    nodes = [_nodes(found.nodes), Text()] if found.nodes else []
    counted = facets(found.facets)
    notes = [*(cell(f"note: {note.text}", "yellow") for note in found.notes), Text()] if found.notes else []
    summary = Text(_summary(found), "yellow" if found.partial else "dim")
    return Group(hits, Text(), *counted, *nodes, *notes, summary)


def _hits(hits: Sequence[Hit], styled: bool) -> RenderableType:
    return Group(*(line for rank, hit in enumerate(hits, 1) for line in _hit(rank, hit, styled)))


def _hit(rank: int, hit: Hit, styled: bool) -> list[RenderableType]:
    head = Text.assemble(
        (f"{rank:3}  ", "dim"), (f"{hit.score:.3f}", "bold"), "  ",
        cell(f"{hit.node}/{hit.collection}/{hit.id}", "cyan"), "  ", _title(hit, styled),
    )  # fmt: skip
    return [head, *_snippet(hit, styled), *_also(hit), *_cut(hit), *score_lines(hit)]


def _title(hit: Hit, styled: bool) -> Text:
    if hit.highlight is None:
        return cell(one_line(hit.title, SNIPPET), "bold")
    return marked(hit.title, hit.highlight.spans, "title", "" if styled else "bold", styled=styled, width=SNIPPET)


def _snippet(hit: Hit, styled: bool) -> list[RenderableType]:
    if hit.highlight is not None:
        text = marked(hit.highlight.snippet, hit.highlight.spans, "snippet", "dim", styled=styled)
        return [Padding(text, (0, 0, 0, 5))] if text else []
    snippet = one_line(hit.content, SNIPPET)
    return [Text(f"     {snippet}", "dim", no_wrap=True, overflow="ellipsis")] if snippet else []


def _also(hit: Hit) -> list[Text]:
    """The other sources of the same thing, as many as a line should hold."""
    named = ", ".join(f"{one.node}/{one.collection}/{one.id}" for one in hit.also[:SOURCES])
    more = len(hit.also) + hit.also_left_out - SOURCES
    return [cell(f"     also {named}{f' and {more} more' if more > 0 else ''}", "dim")] if hit.also else []


def _cut(hit: Hit) -> list[Text]:
    """What of it was too large for one answer."""
    return [cell(f"     cut, too large for one answer: {', '.join(hit.cut)}", "yellow")] if hit.cut else []


def _nodes(reports: Sequence[NodeReport]) -> RenderableType:
    made = table("node", "status", "hits", "time", "", right=frozenset({"hits", "time"}))
    for report in reports:
        made.add_row(cell(report.node), state(report.status), str(report.count), ms(report.ms), cell(_note(report)))
    lines = [line for report in reports for line in node_lines(report)]
    return Group(made, Text(), *lines) if lines else made


def _note(report: NodeReport) -> str:
    instead = report.replica and f"{report.replica} answered in its stead"
    return "; ".join(filter(None, (report.error, instead))) or ("" if report.exact else "candidates only")


def _summary(found: Searched) -> str:
    covered = f", {found.coverage:.0%} of what was expected is searched" if found.coverage < 1 else ""
    partial = f"; partial: a node that was asked is missing{covered}" if found.partial else ""
    cached = f", a cached answer, {found.age_s or 0:.0f} s old" if found.cached else ""
    counted = f"{found.total} hit{'' if found.total == 1 else 's'} in {ms(found.took_ms)}"
    return f"{counted}{cached}{partial}{_stopped(found)}"


def _stopped(found: Searched) -> str:
    """Which stopped nodes were not searched, and what to do about it."""
    names = [report.node for report in found.nodes if report.status == "stopped" and report.replica is None]
    if not names:
        return ""
    return f"; not searched, for it is stopped: {', '.join(names)} (`fleetfold nodes remove NAME` retires a node)"
