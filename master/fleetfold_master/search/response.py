"""The response to the caller: hits, a report for every node, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec.structs import replace

from fleetfold_master.search.coverage import coverage, refuse_missing
from fleetfold_master.search.deduplicated_page import Answers
from fleetfold_master.search.explain_reports import explained_reports
from fleetfold_master.search.facet_merge import merged_facets
from fleetfold_master.search.provenance import fitting_sources
from fleetfold_master.search.search_context import SearchContext
from fleetfold_shared.messages import Hit, NodeReport, SearchAnswer, SearchAsk, Searched
from fleetfold_shared.query.field_notes import field_notes, fields_asked, merged_kinds
from fleetfold_shared.truncation import first_that_fit

__all__ = ["told"]


def told(context: SearchContext, ask: SearchAsk, hits: list[Hit], answers: Answers) -> Searched:
    """Build the response. Raises `Unavailable` if a node is missing with `partial="fail"`."""
    search, pages = context.search, context.pages
    hits = fitting_sources(hits) if search.dedup != "off" or search.sort else first_that_fit(hits)
    reports = context.reports(answers)
    missing = context.missing(reports)
    if search.partial == "fail":
        refuse_missing([reports[name] for name in sorted(missing)])
    if search.explain:
        reports = _explained(context, reports, answers)
    came = [answer for _, answer in answers.values() if answer]
    fields = fields_asked(search.filter, search.sort, search.facets)
    notes = field_notes(search.filter, search.sort, search.facets, merged_kinds(fields, came)) if fields else []
    ordered = [reports[name] for name in sorted(reports)]
    return Searched(
        query=search.query, hits=hits, nodes=ordered, total=len(hits),
        took_ms=round((time.perf_counter() - context.started) * 1000, 3), partial=bool(missing),
        cursor=_following(context, ask, hits) if hits and _has_more(context, came, hits) else None,
        changed=pages.changed(context.versions, context.plan.alphas), facets=merged_facets(search.facets, came),
        coverage=coverage(_expected(context, ordered), context.parts(answers), missing), notes=notes,
    )  # fmt: skip


def _expected(context: SearchContext, reports: list[NodeReport]) -> list[NodeReport]:
    """The reports of the nodes that should have answered."""
    return [one for one in reports if one.node not in context.plan.excused]


def _explained(context: SearchContext, reports: Mapping[str, NodeReport], answers: Answers) -> dict[str, NodeReport]:
    asked = replace(context.plan, asked=context.holding.asked)
    return explained_reports(reports, asked, {node: answer for node, (_, answer) in answers.items()}, context.epochs)


def _has_more(context: SearchContext, came: list[SearchAnswer], hits: list[Hit]) -> bool:
    """Whether there is a further page. Sorted and deduplicated results have one page."""
    if context.search.dedup != "off" or context.search.sort:
        return False
    return any(one.more for one in came) or sum(len(one.hits) for one in came) > len(hits)


def _following(context: SearchContext, ask: SearchAsk, hits: list[Hit]) -> str:
    return context.pages.following(
        ask, hits[-1], context.versions, context.plan.alphas, context.choice.nodes, context.holding.pins()
    )
