"""The target nodes of a search: which are asked for what, and why the others are not."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from fleetfold_master.nodes import Registry
from fleetfold_master.nodes.effective_state import standing
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.paging import Version
from fleetfold_shared import __version__
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import NodeDescription, NodeReport, Search
from fleetfold_shared.text.analysis import ANALYZER

__all__ = ["Key", "TargetNodes", "searchable_nodes", "target_nodes"]

COUNTED = frozenset({"active", "error", "incompatible"})
"""States of nodes that should answer; in all other states an operator has taken them out of service."""

Key = tuple[str, str]
"""A node and one of its collections."""


def searchable_nodes(search: Search, registry: Registry, own: StoredNode | None = None) -> list[StoredNode]:
    """The nodes named, or all that may be chosen among. Raises `NotFound` for a node that is not in the fleet.

    `own` stands for the master's own collections, if it has any.
    """
    names = search.nodes if isinstance(search.nodes, list) and search.nodes else search.among
    if not names:
        return [*registry.all(), own] if own else registry.all()
    return [own if own and name == own.name else registry.get(name) for name in dict.fromkeys(names)]


class TargetNodes(msgspec.Struct, frozen=True):
    """Which node is asked for which collections, and the reports of those that are not asked.

    `keys` are the collections whose statistics weigh the query; `alphas` are the weights that collections declare.
    `foreign` are the asked nodes of another analyzer or embedder, whose scores are not comparable; `uncounted` are
    collections of another analyzer, with their reported versions. `excused` are stopped nodes that the answer may lack.
    """

    asked: dict[str, list[str]] = {}
    reports: dict[str, NodeReport] = {}
    keys: list[Key] = []
    alphas: dict[Key, float] = {}
    foreign: set[str] = set()
    uncounted: list[Version] = []
    excused: set[str] = set()


def target_nodes(search: Search, nodes: list[StoredNode], up: set[str], embedder: str) -> TargetNodes:
    """Divide `nodes` into those to ask and those that cannot answer, each with the reason. `up` are those that are up.

    The statistics of an absent node still count, so that its absence costs its own hits and changes no other
    scores.
    """
    _check_collections(search, nodes)
    asked, reports, foreign = dict[str, list[str]](), dict[str, NodeReport](), set[str]()
    keys, alphas, uncounted = list[Key](), dict[Key, float](), list[Version]()
    for node in nodes:
        have = [c.name for c in node.description.collections if not search.collections or c.name in search.collections]
        report = _why_not(node, have, node.name in up)
        if node.state in COUNTED:
            if node.description.analyzer == ANALYZER:
                keys += [(node.name, name) for name in have]
            else:
                uncounted += _stated(node, have)
            alphas |= _alphas(node, have)
        if report is None:
            asked[node.name] = have
            foreign |= {node.name} if _is_foreign(node.description, embedder) else set()
        else:
            reports[node.name] = report
    targets = TargetNodes(asked, reports, keys, alphas, foreign, uncounted)
    return replace(targets, excused=_excused(search, targets))


def _is_foreign(description: NodeDescription, embedder: str) -> bool:
    return (description.analyzer, description.embedder) != (ANALYZER, embedder)


def _excused(search: Search, targets: TargetNodes) -> set[str]:
    """The stopped nodes that the answer may lack: none if they are named, if all nodes are required, or if no other
    is asked."""
    if search.partial != "allow" or not targets.asked:
        return set()
    named = search.nodes if isinstance(search.nodes, list) else []
    return {name for name, report in targets.reports.items() if report.status == "stopped" and name not in named}


def _stated(node: StoredNode, have: list[str]) -> list[Version]:
    said = node.description
    return [(node.name, one.name, said.incarnation, one.epoch) for one in said.collections if one.name in have]


def _alphas(node: StoredNode, have: list[str]) -> dict[Key, float]:
    declared = ((one.name, one.alpha) for one in node.description.collections if one.name in have)
    return {(node.name, name): alpha for name, alpha in declared if alpha is not None}


def _check_collections(search: Search, nodes: list[StoredNode]) -> None:
    there = {collection.name for node in nodes for collection in node.description.collections}
    missing = [name for name in search.collections if name not in there]
    if missing:
        known = ", ".join(sorted(there)) or "none"
        raise NotFound(f"collections: no node searched has {missing[0]!r}; there are: {known}", field="collections")


def _why_not(node: StoredNode, have: list[str], up: bool) -> NodeReport | None:
    if node.state not in COUNTED:
        return NodeReport(node.name, "not_selected", error=f"the node is {node.state}")
    if not have:
        return NodeReport(node.name, "no_collection")
    if not up and node.stopped_at is not None:
        return NodeReport(node.name, "stopped", error="it has said goodbye")
    if not up:
        return NodeReport(node.name, "unreachable", error="not heard within three heartbeats")
    if node.state != "active":
        why = standing(node, __version__).reason
        return NodeReport(node.name, "error", error=f"the node is in the state {node.state}: {why}")
    return None
