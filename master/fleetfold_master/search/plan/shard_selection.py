"""Shard selection for one query: the expected relevance of each node, which nodes are asked, and the reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.plan.analyzed_query import AnalyzedQuery
from fleetfold_master.search.plan.relevance_estimate import CandidateNode, expected_relevance, smallest_selection
from fleetfold_master.search.plan.target_nodes import Key, TargetNodes
from fleetfold_master.search.term_statistics import TermStatistics
from fleetfold_shared.messages import NodeReport, Search
from fleetfold_shared.text.analysis import ANALYZER

__all__ = ["ShardSelection", "select_shards", "selection_members"]

FOREIGN = "it has another analyzer or embedder, so nothing tells beforehand what it has"


@dataclass(frozen=True, slots=True)
class ShardSelection:
    """The `expected` relevance of each node with a searched collection, adding up to 1, and what `auto` chose.

    `nodes` are the chosen ones, ordered by name; None if the caller left nothing to choose. `not_estimated` says why
    nothing could be estimated for a node. `from_earlier_page`: an earlier page made the choice.
    """

    expected: Mapping[str, float] = field(default_factory=dict)
    nodes: Sequence[str] | None = None
    not_estimated: Mapping[str, str] = field(default_factory=dict)
    from_earlier_page: bool = False

    def left_out(self) -> set[str]:
        """The nodes that were not chosen."""
        return set() if self.nodes is None else self.expected.keys() - set(self.nodes)

    def narrowed(self, targets: TargetNodes) -> TargetNodes:
        """`targets` without the nodes that were not chosen. They count as not selected whether they are up or not."""
        if not (left_out := self.left_out()):
            return targets
        return replace(
            targets,
            asked={name: have for name, have in targets.asked.items() if name not in left_out},
            reports=targets.reports | {name: NodeReport(name, "not_selected") for name in left_out},
        )

    def annotated(self, reports: Mapping[str, NodeReport]) -> dict[str, NodeReport]:
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
                return f"asked: {FOREIGN}"
            why = "it has none of the collections searched" if report.status == "no_collection" else report.error
            return f"not asked: {why or report.status}"
        here = f"{_percent(self.expected[name])} of what is expected is here"
        if name not in chosen:
            reached = sum(share for one, share in self.expected.items() if one in chosen)
            why = (
                "the first page was without it"
                if self.from_earlier_page
                else f"{_percent(reached)} is reached without it"
            )
            return f"not asked: {here}, {why}"
        if report.ms is None and report.status != "timeout":
            return f"chosen, but not asked: {report.error or report.status}; {here}"
        if name in self.not_estimated:
            return f"asked: {self.not_estimated[name]}"
        if len(chosen) == len(self.expected) > 1:
            return f"asked: all are, for no few of them have most of it; {here}"
        return f"asked: {here}"


def select_shards(
    search: Search, query: AnalyzedQuery, members: Sequence[CandidateNode], earlier: Sequence[str] | None
) -> ShardSelection:
    """Choose among the nodes that are `members`; `earlier` is the choice of the first page, if this is a later one.

    Of an earlier choice only members are asked: a cursor grants no access.
    """
    expected = expected_relevance(members, query.with_context())
    not_estimated = {member.name: _why_not_estimated(member) for member in members if not member.is_known}
    if search.nodes != "auto":
        return ShardSelection(expected, None, not_estimated)
    if earlier is not None:
        return ShardSelection(expected, sorted(expected.keys() & set(earlier)), not_estimated, from_earlier_page=True)
    return ShardSelection(expected, sorted(smallest_selection(members, expected)), not_estimated)


def selection_members(
    targets: TargetNodes, keys: Sequence[Key], nodes: Sequence[StoredNode], statistics: TermStatistics, embedder: str
) -> list[CandidateNode]:
    """The nodes with one of the collections `keys`, also absent ones, except stopped ones that are excused."""
    alike = {
        node.name: (node.description.analyzer, node.description.embedder) == (ANALYZER, embedder) for node in nodes
    }
    by_node: defaultdict[str, list[Key]] = defaultdict(list)
    for key in keys:
        if key[0] not in targets.excused:
            by_node[key[0]].append(key)
    return [CandidateNode(name, statistics.merged(some), alike.get(name, True)) for name, some in by_node.items()]


def _why_not_estimated(member: CandidateNode) -> str:
    if not member.comparable:
        return FOREIGN
    return "nothing is known yet of what it has"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "less than 1%"
