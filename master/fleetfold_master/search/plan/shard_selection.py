"""Shard selection for one query: the expected relevance of each node, which nodes are asked, and the reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.plan.query_plan import MOST_QUERY_CHARS, QueryPlan, query_vector
from fleetfold_master.search.plan.relevance_estimate import Member, QueryTerms, expectations, fewest
from fleetfold_master.search.term_statistics import TermStatistics
from fleetfold_shared.messages import NodeReport, Search
from fleetfold_shared.text.analysis import ANALYZER, query_terms
from fleetfold_shared.text.embedding import unit_rows, unpack

__all__ = ["ShardSelection", "choose", "wanted"]

STRANGE = "it has another analyzer or embedder, so nothing tells beforehand what it has"
_FADING = 0.5
"""The weight of each query relative to the one after it: the previous one counts half, the one before a quarter."""


@dataclass(frozen=True, slots=True)
class ShardSelection:
    """The `expected` relevance of each node with a searched collection, adding up to 1, and what `auto` chose.

    `nodes` are the chosen ones, ordered by name; None if the caller left nothing to choose. `unforeseen` says why
    nothing could be estimated for a node. `kept`: an earlier page made the choice.
    """

    expected: Mapping[str, float] = field(default_factory=dict)
    nodes: Sequence[str] | None = None
    unforeseen: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False

    def left_out(self) -> set[str]:
        """The nodes that were not chosen."""
        return set() if self.nodes is None else self.expected.keys() - set(self.nodes)

    def narrowed(self, plan: QueryPlan) -> QueryPlan:
        """`plan` without the nodes that were not chosen. They count as not selected whether they are up or not."""
        if not (left_out := self.left_out()):
            return plan
        return replace(
            plan,
            asked={name: have for name, have in plan.asked.items() if name not in left_out},
            reports=plan.reports | {name: NodeReport(name, "not_selected") for name in left_out},
        )

    def told(self, reports: Mapping[str, NodeReport]) -> dict[str, NodeReport]:
        """The reports with the expected relevance and, if there was a choice, the reason for it."""
        return {
            name: replace(
                report,
                expected=round(self.expected.get(name, 0.0), 4),
                reason=None if self.nodes is None else self._reason(report, set(self.nodes)),
            )
            for name, report in reports.items()
        }

    def _reason(self, report: NodeReport, chosen: set[str]) -> str:
        name = report.node
        if name not in self.expected:
            if report.rescored:
                return f"asked: {STRANGE}"
            why = "it has none of the collections searched" if report.status == "no_collection" else report.error
            return f"not asked: {why or report.status}"
        here = f"{_percent(self.expected[name])} of what is expected is here"
        if name not in chosen:
            reached = sum(share for one, share in self.expected.items() if one in chosen)
            why = "the first page was without it" if self.kept else f"{_percent(reached)} is reached without it"
            return f"not asked: {here}, {why}"
        if report.ms is None and report.status != "timeout":
            return f"chosen, but not asked: {report.error or report.status}; {here}"
        if name in self.unforeseen:
            return f"asked: {self.unforeseen[name]}"
        if len(chosen) == len(self.expected) > 1:
            return f"asked: all are, for no few of them have most of it; {here}"
        return f"asked: {here}"


def choose(
    search: Search, plan: QueryPlan, nodes: Sequence[StoredNode], corpora: TermStatistics, embedder: str,
    earlier: Sequence[str] | None,
) -> ShardSelection:  # fmt: skip
    """Choose among the nodes of `plan`; `earlier` is the choice of the first page, if this is a later one.

    Of an earlier choice only nodes of this plan are asked: a cursor grants no access.
    """
    members = _members(plan, nodes, corpora, embedder)
    expected = expectations(members, wanted(search, embedder))
    unforeseen = {member.name: _why_unforeseen(member) for member in members if not member.is_known}
    if search.nodes != "auto":
        return ShardSelection(expected, None, unforeseen)
    if earlier is not None:
        return ShardSelection(expected, sorted(expected.keys() & set(earlier)), unforeseen, kept=True)
    return ShardSelection(expected, sorted(fewest(members, expected)), unforeseen)


def wanted(search: Search, embedder: str) -> QueryTerms:
    """The terms and vector of the query and of the queries before it, with decreasing weight."""
    texts = [text[:MOST_QUERY_CHARS] for text in (search.query, *reversed(search.context)) if text.strip()]
    weighed = [(text, _FADING**steps) for steps, text in enumerate(texts)]
    terms: defaultdict[str, float] = defaultdict(float)
    for text, weight in weighed:
        for term, qtf in query_terms(text).items():
            terms[term] += weight * qtf
    packed = [(query_vector(text, embedder), weight) for text, weight in weighed]
    vectors = [unpack(data) * weight for data, weight in packed if data is not None]
    vector = unit_rows(sum(vectors[1:], start=vectors[0])[None, :])[0] if vectors else None
    return QueryTerms(dict(terms), vector if vector is not None and vector.any() else None)


def _members(plan: QueryPlan, nodes: Sequence[StoredNode], corpora: TermStatistics, embedder: str) -> list[Member]:
    """The nodes with a searched collection, also absent ones, except stopped ones that are excused."""
    alike = {
        node.name: (node.description.analyzer, node.description.embedder) == (ANALYZER, embedder) for node in nodes
    }
    by_node: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for key in plan.keys:
        if key[0] not in plan.excused:
            by_node[key[0]].append(key)
    return [Member(name, corpora.merged(keys), alike.get(name, True)) for name, keys in by_node.items()]


def _why_unforeseen(member: Member) -> str:
    if not member.comparable:
        return STRANGE
    return "nothing is known yet of what it has"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "less than 1%"
