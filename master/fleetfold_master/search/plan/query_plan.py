"""The query plan: validation, the nodes to ask, and the query's weights."""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec

from fleetfold_master.nodes import Registry
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.nodes.node_standing import standing
from fleetfold_master.search.merge.deduplicated_page import asked_for
from fleetfold_master.search.merge.rescoring import is_strange
from fleetfold_master.search.paging import Version
from fleetfold_shared import __version__
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.messages import NodeReport, Search, SearchAsk
from fleetfold_shared.query.facets import check_facets
from fleetfold_shared.query.filters import check_filter
from fleetfold_shared.query.sorting import check_sort
from fleetfold_shared.text.analysis import ANALYZER, query_terms
from fleetfold_shared.text.embedding import load_embedder, pack
from fleetfold_shared.text.scoring import ALPHA, Corpus, weigh

__all__ = ["MOST_QUERY_CHARS", "QueryPlan", "candidates", "check_search", "plan", "query_vector", "weighted_ask"]

MOST_QUERY_CHARS = 2000

COUNTED = frozenset({"active", "error", "incompatible"})
"""States of nodes that should answer; in all other states an operator has taken them out of service."""

Key = tuple[str, str]
"""A node and one of its collections."""


def candidates(search: Search, registry: Registry, own: StoredNode | None = None) -> list[StoredNode]:
    """The nodes named, or all that may be chosen among. Raises `NotFound` for a node that is not in the fleet.

    `own` stands for the master's own collections, if it has any.
    """
    names = search.nodes if isinstance(search.nodes, list) and search.nodes else search.among
    if not names:
        return [*registry.all(), own] if own else registry.all()
    return [own if own and name == own.name else registry.get(name) for name in dict.fromkeys(names)]


class QueryPlan(msgspec.Struct):
    """Which node is asked for which collections, and the reports of those that are not asked.

    `keys` are the collections whose statistics weigh the query; `alphas` are the weights that collections declare.
    `strangers` are the asked nodes whose scores are not comparable; `uncounted` are collections of another
    analyzer, with their reported versions. `excused` are stopped nodes that the answer may lack.
    """

    asked: dict[str, list[str]] = {}
    reports: dict[str, NodeReport] = {}
    keys: list[Key] = []
    alphas: dict[Key, float] = {}
    strangers: set[str] = set()
    uncounted: list[Version] = []
    excused: set[str] = set()


def check_search(search: Search) -> None:
    """Raise `InvalidInput`, naming the field."""
    if not search.query.strip():
        raise InvalidInput("query: it is empty; say what to look for", field="query")
    if not 1 <= search.limit <= 100:
        raise InvalidInput(f"limit: {search.limit} is outside 1-100; ask for 1 to 100 hits", field="limit")
    if search.threshold is not None and not math.isfinite(search.threshold):
        raise InvalidInput("threshold: it must be a finite number", field="threshold")
    if search.cursor is not None and search.dedup != "off":
        raise InvalidInput("cursor: a search without duplicates has one page; ask for up to 100 hits", field="cursor")
    if search.cursor is not None and search.sort:
        raise InvalidInput("cursor: a sorted search has one page; ask for up to 100 hits", field="cursor")
    if search.sort and search.dedup != "off":
        raise InvalidInput("sort: a search without duplicates is by score; leave out sort, or dedup", field="sort")
    if search.filter is not None:
        check_filter(search.filter)
    check_facets(search.facets)
    check_sort(search.sort)


def plan(search: Search, nodes: list[StoredNode], up: set[str], embedder: str) -> QueryPlan:
    """Divide `nodes` into those to ask and those that cannot answer, each with the reason. `up` are those that are up.

    The statistics of an absent node still count, so that its absence costs its own hits and changes no other
    scores.
    """
    result = QueryPlan(asked={}, reports={}, keys=[])
    _check_collections(search, nodes)
    for node in nodes:
        have = [c.name for c in node.description.collections if not search.collections or c.name in search.collections]
        report = _why_not(node, have, node.name in up)
        if node.state in COUNTED:
            if node.description.analyzer == ANALYZER:
                result.keys += [(node.name, name) for name in have]
            else:
                result.uncounted += _stated(node, have)
            result.alphas |= _alphas(node, have)
        if report is None:
            result.asked[node.name] = have
            result.strangers |= {node.name} if is_strange(node.description, embedder) else set()
        else:
            result.reports[node.name] = report
    result.excused = _excused(search, result)
    return result


def _excused(search: Search, planned: QueryPlan) -> set[str]:
    """The stopped nodes that the answer may lack: none if they are named, if all nodes are required, or if no other
    is asked."""
    if search.partial != "allow" or not planned.asked:
        return set()
    named = search.nodes if isinstance(search.nodes, list) else []
    return {name for name, report in planned.reports.items() if report.status == "stopped" and name not in named}


def _stated(node: StoredNode, have: list[str]) -> list[Version]:
    said = node.description
    return [(node.name, one.name, said.incarnation, one.epoch) for one in said.collections if one.name in have]


def _alphas(node: StoredNode, have: list[str]) -> dict[Key, float]:
    declared = ((one.name, one.alpha) for one in node.description.collections if one.name in have)
    return {(node.name, name): alpha for name, alpha in declared if alpha is not None}


def weighted_ask(search: Search, corpus: Corpus, request: str, embedder: str, left_s: float) -> SearchAsk:
    """The request to the nodes: terms with their global idf, the query vector, k and the remaining time."""
    text = search.query[:MOST_QUERY_CHARS]
    weights = weigh(query_terms(text), corpus)
    return SearchAsk(
        request=request, terms=weights.terms, avgdl=weights.avgdl, divisor=weights.divisor,
        k=search.limit if search.dedup == "off" else asked_for(search.limit),
        deadline_ms=max(1, round(left_s * 1000)), analyzer=ANALYZER, embedder=embedder,
        vector=query_vector(text, embedder),
        threshold=search.threshold, filter=search.filter, collections=search.collections,
        highlight=search.highlight, explain=search.explain, dedup=search.dedup, facets=search.facets, sort=search.sort,
        alpha=ALPHA if search.alpha is None else search.alpha, same_alpha=search.alpha is not None,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def query_vector(text: str, embedder: str) -> bytes | None:
    """The encoded vector of a text; None for a text without one."""
    vector = load_embedder(embedder).embed([text])[0]
    return pack(vector) if vector.any() else None


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
