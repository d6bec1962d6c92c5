"""The view of an evaluation report."""

from __future__ import annotations

from rich.console import Group, RenderableType

from fleetfold_cli.views.text import cell, one_line, table
from fleetfold_shared.messages import QualityForgotten, QualityJudged, QualityMetrics, QualityReport

__all__ = ["forgotten", "judged", "report"]

FIGURES = ("queries", "nDCG@10", "recall@10", "clicks", "1/rank", "searches", "empty")
QUERY_CHARS = 60


def report(found: QualityReport) -> RenderableType:
    """A line for the fleet, each node and each collection; then the queries that did worst."""
    made = table("", *FIGURES, right=frozenset(FIGURES))
    for one in (found.fleet, *found.nodes, *found.collections):
        made.add_row(
            cell(_name(one)), str(one.queries), _part(one.ndcg), _part(one.recall), str(one.clicks),
            _part(one.click_rr), str(one.searches), _percent(one.zero_rate),
        )  # fmt: skip
    return Group(made, _about(found), *(_worst(found) if found.worst else ()))


def judged(stored: QualityJudged) -> str:
    """The numbers of stored judgements and of their queries."""
    return f"{_counted(stored.judgements, 'judgement')} of {_counted(stored.queries, 'query', 'queries')} stored"


def forgotten(dropped: QualityForgotten) -> str:
    """What was dropped."""
    return f"{_counted(dropped.judgements, 'judgement')} and {_counted(dropped.clicks, 'click')} dropped"


def _about(found: QualityReport) -> str:
    if not found.judged:
        return "no query is judged yet: `fleetfold judge QUERY NODE/COLLECTION/ID GRADE`"
    text = f"{found.measured} of {_counted(found.judged, 'judged query', 'judged queries')} measured"
    if found.incomplete:
        text += f"; {found.incomplete} lacked a node"
    left = found.judged - found.measured - found.incomplete
    return f"{text}; {left} not reached, or without a relevant document" if left else text


def _worst(found: QualityReport) -> tuple[RenderableType, ...]:
    made = table("worst queries", "nDCG@10", "recall@10", right=frozenset({"nDCG@10", "recall@10"}))
    for one in found.worst:
        made.add_row(cell(one_line(one.query, QUERY_CHARS)), _part(one.ndcg), _part(one.recall))
    return ("", made)


def _name(one: QualityMetrics) -> str:
    return "/".join(name for name in (one.node, one.collection) if name) or "the fleet"


def _part(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
