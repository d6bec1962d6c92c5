"""Nodes, as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fleetfold.cli.views.signature import signature
from fleetfold.cli.views.text import ago, cell, grid, joined, ms, nothing, state, table
from fleetfold_shared.messages import NodeRecord, NodeStats

__all__ = ["detail", "figures", "listing", "pings"]


NONE_YET = "no nodes yet: start one with `fleetfold child --name shop --collection products=docs.jsonl`"


def listing(nodes: Sequence[NodeRecord], **filters: object) -> RenderableType:
    """One line a node; `filters` are what was asked for."""
    if not nodes:
        return nothing("nodes", NONE_YET, filters)
    figures = frozenset({"documents", "actions", "response"})
    made = table("node", "type", "state", "healthy", "documents", "actions", "last seen", "response", right=figures)
    for node in nodes:
        said = node.description
        made.add_row(
            cell(node.name), cell(said.type), state(node.state), state("yes" if node.healthy else "no"),
            f"{_documents(node):,}", str(len(said.actions)), ago(node.last_seen_at), ms(node.response_ms),
        )  # fmt: skip
    return made


def detail(node: NodeRecord) -> RenderableType:
    """All that is known of a node."""
    return Group(_facts(node), Text(), _collections(node), Text(), _actions(node))


def pings(answers: Mapping[str, float | None]) -> RenderableType:
    """Milliseconds to each node."""
    if not answers:
        return "no nodes to ping"
    made = table("node", "answer", right=frozenset({"answer"}))
    for name, value in answers.items():
        made.add_row(cell(name), Text("no answer", "red") if value is None else Text(ms(value)))
    return made


def figures(stats: NodeStats) -> RenderableType:
    """The fleet in figures."""
    made = grid()
    made.add_row("nodes", f"{stats.total}, {stats.healthy} healthy")
    made.add_row("by state", cell(joined(stats.by_state)))
    made.add_row("by type", cell(joined(stats.by_type)))
    made.add_row("documents", f"{stats.documents:,}")
    made.add_row("mean response", ms(stats.mean_response_ms))
    return made


def _documents(node: NodeRecord) -> int:
    return sum(collection.documents for collection in node.description.collections)


def _facts(node: NodeRecord) -> Table:
    said = node.description
    made = grid()
    made.add_row("node", cell(node.name))
    if node.title:
        made.add_row("title", cell(node.title))
    made.add_row("type", cell(said.type))
    made.add_row("state", state(node.state) + ("" if node.healthy else Text(", not healthy", "red")))
    if node.fingerprint:
        made.add_row("fingerprint", cell(node.fingerprint))
    made.add_row("labels", cell(joined(said.labels)))
    made.add_row("weight", f"{said.weight:g}")
    made.add_row("in flight", f"{node.in_flight} of {said.concurrency}")
    made.add_row("last seen", ago(node.last_seen_at))
    made.add_row("response", ms(node.response_ms))
    made.add_row("registered", ago(node.registered_at))
    made.add_row("version", cell(said.version))
    made.add_row("incarnation", cell(said.incarnation))
    made.add_row("analyzer", cell(said.analyzer))
    made.add_row("embedder", cell(said.embedder))
    return made


def _collections(node: NodeRecord) -> RenderableType:
    if not node.description.collections:
        return "no collections"
    replicated = any(one.replica for one in node.description.collections)
    made = table(
        "collection", "documents", "changed", *(["replica of"] if replicated else []), right=frozenset({"documents"})
    )
    for one in node.description.collections:
        shared = [cell(one.replica or "")] if replicated else []
        made.add_row(cell(one.name), f"{one.documents:,}", ago(one.updated_at), *shared)
    return made


def _actions(node: NodeRecord) -> RenderableType:
    if not node.description.actions:
        return "no actions"
    made = table("action", "kind", "timeout", "what it does")
    for one in node.description.actions:
        made.add_row(cell(signature(one)), cell(one.kind), f"{one.timeout_s:g} s", cell(one.summary))
    return made
