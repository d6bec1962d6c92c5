"""Explanations per node: why it was asked or not, and how its search went. Built only for `explain`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fleetfold_master.search.plan.target_nodes import Key
from fleetfold_master.search.shard_response import ShardResponses
from fleetfold_shared.messages import CollectionExplained, NodeExplained, NodeReport, SearchAnswer, encode

__all__ = ["explained_reports"]

MOST_BYTES = 128 * 1024
"""Limit in bytes for all collections' explanations in one answer; beyond it only the nodes' sums are shown."""

MOST_NAMED = 8


def explained_reports(
    reports: Mapping[str, NodeReport],
    asked: Mapping[str, list[str]],
    responses: ShardResponses,
    epochs: Mapping[Key, int],
) -> dict[str, NodeReport]:
    """The reports with explanations. `asked` are the collections asked for by node, `epochs` those of the statistics
    that weighed the query.
    """
    explained = {
        node: _explained(report, asked.get(node), responses[node].answer if node in responses else None, epochs)
        for node, report in reports.items()
    }
    if sum(len(encode(one)) for one in explained.values()) > MOST_BYTES:
        explained = {node: msgspec.structs.replace(one, collections=[]) for node, one in explained.items()}
    return {node: msgspec.structs.replace(report, explain=explained[node]) for node, report in reports.items()}


def _explained(
    report: NodeReport, asked: list[str] | None, answer: SearchAnswer | None, epochs: Mapping[Key, int]
) -> NodeExplained:
    reason = _reason(report, asked)
    if answer is None:
        return NodeExplained(reason)
    searched = [_dated(one, epochs.get((report.node, one.collection))) for one in answer.explain]
    way_ms = None if report.ms is None else round(max(0.0, report.ms - answer.ms), 3)
    if not searched:  # a node of an older version, or one that found nothing to search
        return NodeExplained(reason, answer.ms, way_ms)
    return NodeExplained(
        reason, answer.ms, way_ms,
        documents=sum(one.documents for one in searched), scored=sum(one.scored for one in searched),
        exact=all(one.exact for one in searched), current=all(one.epoch == one.master_epoch for one in searched),
        collections=searched,
    )  # fmt: skip


def _dated(one: CollectionExplained, master_epoch: int | None) -> CollectionExplained:
    return msgspec.structs.replace(one, master_epoch=master_epoch)


def _reason(report: NodeReport, asked: list[str] | None) -> str:
    if report.reason is not None:
        return report.reason
    if report.status == "open":
        return f"left out: {report.error}"
    if asked is not None:
        more = f" and {len(asked) - MOST_NAMED} more" if len(asked) > MOST_NAMED else ""
        anew = "; of another analyzer or embedder, so the master scored its candidates" if report.rescored else ""
        return f"asked: it has {', '.join(asked[:MOST_NAMED])}{more}{anew}"
    if report.status == "no_collection":
        return "not asked: it has none of the collections searched"
    return f"not asked: {report.reason or report.error or report.status}"
