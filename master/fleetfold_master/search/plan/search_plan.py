"""The context of one search in progress."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fleetfold_master.search.merge.coverage import SETTLED, Documents, part_of
from fleetfold_master.search.merge.deduplicated_page import Answers
from fleetfold_master.search.paging import Pages, Version
from fleetfold_master.search.plan.query_plan import QueryPlan
from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment
from fleetfold_master.search.plan.shard_selection import ShardSelection
from fleetfold_shared.messages import NodeReport, Search
from fleetfold_shared.text.term_statistics import MergedCorpus

__all__ = ["SearchContext"]


@dataclass(slots=True)
class SearchContext:
    """The query, what each node is asked, and the statistics that weigh it.

    `choice` is the expected relevance and the nodes that `auto` chose, `holding` the assignment of replicas. `key`
    is the cache key. `margin_s` of the caller's time limit is reserved for merging; `waited_s` is the time spent
    waiting for nodes so far.
    """

    search: Search
    pages: Pages
    plan: QueryPlan
    holding: ReplicaAssignment
    choice: ShardSelection
    started: float
    corpus: MergedCorpus
    versions: list[Version]
    epochs: dict[tuple[str, str], int]
    documents: Documents
    key: str | None = None
    margin_s: float = 0.0
    waited_s: float = 0.0

    def left_s(self) -> float:
        """Seconds left of the caller's time limit, minus the margin; at least a millisecond."""
        left_s = self.search.timeout_ms / 1000 - (time.perf_counter() - self.started)
        return max(0.001, left_s - self.margin_s)

    def parts(self, answers: Answers) -> dict[str, float]:
        """For nodes that did not search all their collections in time, the share of their documents that they did."""
        cut = {node: one.left_out for node, (_, one) in answers.items() if one is not None and one.left_out}
        return {node: part_of(self.documents.get(node, {}), names) for node, names in cut.items()}

    def reports(self, answers: Answers) -> dict[str, NodeReport]:
        """A report for every node that the query concerns."""
        known = {**self.plan.reports, **{node: report for node, (report, _) in answers.items()}}
        told = self.holding.reports(known)
        unasked = {node: NodeReport(node, "not_selected") for node in self.documents if node not in told}
        return self.choice.told({**told, **unasked})

    def missing(self, reports: Mapping[str, NodeReport]) -> Collection[str]:
        """The nodes whose part is missing from the answer: no replica answered instead."""
        return {
            node
            for node, report in reports.items()
            if report.status not in SETTLED
            and node not in self.plan.excused
            and not self.holding.lacks_nothing(node, reports)
        }
