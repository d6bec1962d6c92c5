"""The merge of a search: from the nodes' shard responses to the answer with its hits, reports, and what is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping
from typing import Protocol

from fleetfold_master.search.merge.answer_size import first_hits, fitting_sources
from fleetfold_master.search.merge.coverage import SETTLED, coverage, part_of, refuse_missing
from fleetfold_master.search.merge.deduplicated_page import DeduplicatedPage
from fleetfold_master.search.merge.explain_reports import explained_reports
from fleetfold_master.search.merge.facet_merge import merged_facets
from fleetfold_master.search.merge.merge import merge_page, merge_sorted
from fleetfold_master.search.merge.near_duplicates import near_duplicates_in
from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment
from fleetfold_master.search.plan.search_plan import SearchPlan
from fleetfold_master.search.shard_response import ShardResponses
from fleetfold_shared.messages import Hit, NodeReport, SearchAnswer, Searched, SearchRequest
from fleetfold_shared.query.field_notes import field_notes, fields_asked, merged_kinds

__all__ = ["merge_responses", "respond"]


class _ScatterRequests(Protocol):
    """The requests of the search: which holders answered in the end, and a way to ask nodes once more."""

    @property
    def replicas(self) -> ReplicaAssignment: ...
    def again(self, nodes: list[str], ask: SearchRequest, timeout_s: float) -> Awaitable[ShardResponses]: ...


async def merge_responses(
    plan: SearchPlan, ask: SearchRequest, responses: ShardResponses, scattered: _ScatterRequests
) -> Searched:
    """Merge the responses to `ask`; a deduplicated page may have to ask nodes again. Raises `Unavailable` if a node is
    missing with `partial="fail"`.
    """
    search = plan.search
    if search.dedup != "off":
        alike = near_duplicates_in(plan.statistics.corpus) if search.dedup == "near" else None
        page = DeduplicatedPage(search.limit, scattered.again, alike)
        hits, responses = await page.fill(ask, responses, plan.deadline.left_s())
    elif search.sort:
        found = {node: answer.hits for node, (_, answer) in responses.items() if answer}
        hits = merge_sorted(found, search.limit, search.sort)
    else:
        hits = merge_page(responses, search.limit, ask.k)
    return respond(plan, scattered.replicas, hits, responses)


def respond(plan: SearchPlan, replicas: ReplicaAssignment, hits: list[Hit], responses: ShardResponses) -> Searched:
    """The answer with these hits. `replicas` are the holders that answered."""
    search = plan.search
    hits = fitting_sources(hits) if search.dedup != "off" or search.sort else first_hits(hits)
    reports = _reports(plan, replicas, responses)
    missing = _missing(plan, replicas, reports)
    if search.partial == "fail":
        refuse_missing([reports[name] for name in sorted(missing)])
    if search.explain:
        reports = explained_reports(reports, replicas.asked, responses, plan.statistics.epochs)
    answers = [answer for _, answer in responses.values() if answer]
    fields = fields_asked(search.filter, search.sort, search.facets)
    notes = field_notes(search.filter, search.sort, search.facets, merged_kinds(fields, answers)) if fields else []
    ordered = [reports[name] for name in sorted(reports)]
    expected = [one for one in ordered if one.node not in plan.targets.excused]
    return Searched(
        query=search.query, hits=hits, nodes=ordered, total=len(hits), took_ms=round(plan.deadline.took_ms(), 3),
        partial=bool(missing), cursor=_cursor(plan, replicas, hits) if _has_more(plan, answers, hits) else None,
        changed=plan.pages.changed(plan.statistics.versions, plan.targets.alphas),
        facets=merged_facets(search.facets, answers), coverage=coverage(expected, _parts(plan, responses), missing),
        notes=notes,
    )  # fmt: skip


def _reports(plan: SearchPlan, replicas: ReplicaAssignment, responses: ShardResponses) -> dict[str, NodeReport]:
    """A report for every node that the query concerns."""
    known = plan.targets.reports | {node: one.report for node, one in responses.items()}
    reports = replicas.reports(known)
    unasked = {
        node: NodeReport(node, "not_selected") for node in plan.statistics.documents if node not in reports
    }  # fmt: skip
    return plan.selection.annotated({**reports, **unasked})


def _missing(plan: SearchPlan, replicas: ReplicaAssignment, reports: Mapping[str, NodeReport]) -> Collection[str]:
    """The nodes whose part is missing from the answer: no replica answered instead."""
    return {
        node
        for node, report in reports.items()
        if report.status not in SETTLED and node not in plan.targets.excused and not replicas.is_replaced(node, reports)
    }


def _parts(plan: SearchPlan, responses: ShardResponses) -> dict[str, float]:
    """For nodes that did not search all their collections in time, the share of their documents that they did."""
    documents = plan.statistics.documents
    return {
        node: part_of(documents.get(node, {}), answer.left_out)
        for node, (_, answer) in responses.items()
        if answer is not None and answer.left_out
    }


def _has_more(plan: SearchPlan, answers: Collection[SearchAnswer], hits: Collection[Hit]) -> bool:
    """Whether there is a further page. Sorted and deduplicated results have one page."""
    if not hits or plan.search.dedup != "off" or plan.search.sort:
        return False
    return any(one.more for one in answers) or sum(len(one.hits) for one in answers) > len(hits)


def _cursor(plan: SearchPlan, replicas: ReplicaAssignment, hits: list[Hit]) -> str:
    return plan.pages.following(
        plan.ask, hits[-1], plan.statistics.versions, plan.targets.alphas, plan.selection.nodes, replicas.pins()
    )
