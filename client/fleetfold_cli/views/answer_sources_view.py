"""The view below an answer: its sources and remarks."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.text import cell, ms, one_line
from fleetfold_shared.messages import Answered, CitedSource

__all__ = ["sources"]

TITLE = 80


def sources(answered: Answered) -> RenderableType:
    """The sources that the answer cites, or all that were read when it cites none; then how it was made."""
    cited = [one for one in answered.sources if one.cited]
    lines = [_source(one) for one in cited or answered.sources]
    return Group(*lines, *([Text()] if lines else []), *_notes(answered))


def _source(one: CitedSource) -> Text:
    place = cell(f"{one.node}/{one.collection}/{one.id}", "cyan")
    return Text.assemble((f"[{one.n}]", "bold"), " ", place, "  ", cell(one_line(one.title, TITLE)))


def _notes(answered: Answered) -> Iterator[Text]:
    if answered.reason:
        yield Text(f"not generated: {one_line(answered.reason, 200)}", "yellow")
    if answered.uncited:
        yield Text("uncited: nothing shows that this comes from the documents", "yellow")
    if answered.invalid_citations:
        yield Text(f"{answered.invalid_citations} citations of sources that are not there were removed", "yellow")
    if answered.partial:
        yield Text("partial: a node that was asked is missing", "yellow")
    yield Text(f"{_made(answered)} in {ms(answered.took_ms)}", "dim")


def _made(answered: Answered) -> str:
    writer = answered.model or answered.by
    read = f"{len(answered.sources)} document{'' if len(answered.sources) == 1 else 's'} read"
    return f"{answered.kind}{f' by {writer}' if answered.kind == 'generated' else ''}, {read}"
