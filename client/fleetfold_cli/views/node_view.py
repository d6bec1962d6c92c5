"""Views of nodes."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fleetfold.source_remarks import remarks
from fleetfold_cli.views.signature_view import signature
from fleetfold_cli.views.text import ago, cell, clean, grid, joined, ms, nothing, only_last_folds, state, table
from fleetfold_shared.messages import CAPABILITIES, Capability, CollectionInfo, NodeRecord, NodeStats

__all__ = ["detail", "listing", "pings", "statistics"]


NONE_YET = "no nodes yet: start one with `fleetfold child --name shop --collection products=docs.jsonl`"


def listing(nodes: Sequence[NodeRecord], *, wide: bool = False, **filters: object) -> RenderableType:
    """One line a node, then why those that do not work are in their state; `wide` has more columns. `filters` are what
    was asked for.
    """
    if not nodes:
        return nothing("nodes", NONE_YET, filters)
    numeric = frozenset({"documents", "actions", "response"})
    more = ("since", "version", "labels") if wide else ()
    made = table("node", "type", "state", "up", "documents", "actions", "last seen", "response", *more,
                 right=numeric)  # fmt: skip
    if wide:
        only_last_folds(made)
    for node in nodes:
        said = node.description
        made.add_row(
            cell(node.name), cell(said.type), state(node.state), _presence(node), f"{_documents(node):,}",
            str(len(said.actions)), ago(node.last_seen_at), ms(node.response_ms), *(_wide(node) if wide else ()),
        )  # fmt: skip
    return Group(made, *_reasons(nodes), *_damaged(nodes), *_disks(nodes), *_stopped(nodes))


def detail(node: NodeRecord) -> RenderableType:
    """All that is known of a node."""
    return Group(_facts(node), Text(), _collections(node), Text(), _actions(node))


def pings(answers: Mapping[str, float | None], stopped: Container[str] = ()) -> RenderableType:
    """Milliseconds to each node; a silent one among `stopped` has signed off."""
    if not answers:
        return "no nodes to ping"
    made = table("node", "answer", right=frozenset({"answer"}))
    for name, value in answers.items():
        silent = Text("stopped", "dim") if name in stopped else Text("no answer", "red")
        made.add_row(cell(name), silent if value is None else Text(ms(value)))
    return made


def statistics(stats: NodeStats) -> RenderableType:
    """Statistics of the fleet."""
    made = grid()
    made.add_row("nodes", f"{stats.total}, {stats.healthy} healthy")
    made.add_row("by state", cell(joined(stats.by_state)))
    made.add_row("by type", cell(joined(stats.by_type)))
    made.add_row("documents", f"{stats.documents:,}")
    made.add_row("mean response", ms(stats.mean_response_ms))
    return made


def _wide(node: NodeRecord) -> tuple[RenderableType, ...]:
    said = node.description
    return ago(node.since), cell(said.version), cell(joined(said.labels))


def _presence(node: NodeRecord) -> Text:
    if node.state == "pending":
        return Text("waits", "yellow")
    return state("yes" if node.presence == "up" else node.presence.replace("_", " "))


def _reasons(nodes: Sequence[NodeRecord]) -> list[Text]:
    """Why nodes that should work do not."""
    return [
        cell(f"{node.name}: {node.state} ({ago(node.since)}): {node.reason}", "red")
        for node in nodes
        if node.state in {"error", "incompatible"}
    ]


def _damaged(nodes: Sequence[NodeRecord]) -> list[Text]:
    """Why collections of nodes that work cannot be searched."""
    return [
        cell(f"{node.name}: {one.name} is not searched: {one.damaged}", "red")
        for node in nodes
        for one in node.description.collections
        if one.damaged and node.state == "active"
    ]


def _disks(nodes: Sequence[NodeRecord]) -> list[Text]:
    """Whose disk is low or full."""
    return [
        cell(f"{node.name}: its disk is {node.description.disk}", "yellow") for node in nodes if node.description.disk
    ]


def _stopped(nodes: Sequence[NodeRecord]) -> list[Text]:
    names = [node.name for node in nodes if node.presence == "stopped" and node.state != "removed"]
    if not names:
        return []
    return [cell(f"stopped: {', '.join(names)}; `fleetfold nodes remove NAME` retires one that does not come back",
                 "dim")]  # fmt: skip


def _documents(node: NodeRecord) -> int:
    return sum(collection.documents for collection in node.description.collections)


def _facts(node: NodeRecord) -> Table:
    said = node.description
    made = grid()
    made.add_row("node", cell(node.name))
    if node.title:
        made.add_row("title", cell(node.title))
    made.add_row("type", cell(said.type))
    made.add_row("state", state(node.state) + cell(f", {ago(node.since)}" if node.since is not None else ""))
    if node.reason:
        made.add_row("reason", cell(node.reason))
    made.add_row("up", _presence(node))
    if node.fingerprint:
        made.add_row("fingerprint", cell(node.fingerprint))
    made.add_row("granted", cell(_granted(node)))
    made.add_row("labels", cell(_labels(node)))
    made.add_row("weight", f"{said.weight:g}")
    if said.disk:
        made.add_row("disk", cell(said.disk, "yellow"))
    made.add_row("in flight", f"{node.in_flight} of {said.concurrency}")
    made.add_row("last seen", ago(node.last_seen_at))
    if node.heartbeat_s is not None:
        made.add_row("heartbeat", f"every {node.heartbeat_s:g} s")
    made.add_row("response", ms(node.response_ms))
    made.add_row("registered", ago(node.registered_at))
    made.add_row("version", cell(said.version))
    made.add_row("incarnation", cell(said.incarnation))
    made.add_row("analyzer", cell(said.analyzer))
    made.add_row("embedder", cell(said.embedder))
    return made


def _granted(node: NodeRecord) -> str:
    """What its credentials allow, and what they do not."""
    if node.granted is None:
        return "no credentials"
    granted = ", ".join(node.granted) or "nothing"
    missing = ", ".join(name for name in CAPABILITIES if name not in node.granted)
    return f"{granted}; not granted: {missing}" if missing else granted


def _labels(node: NodeRecord) -> str:
    """The labels, with a mark on those that an operator has set."""
    return joined({
        name: f"{value} (set here)" if node.label_sources.get(name) == "operator" else value
        for name, value in node.description.labels.items()
    })  # fmt: skip


def _not_granted(node: NodeRecord, what: Capability, things: str) -> str:
    """That it offers none because it may not, with how many it has; empty when it may."""
    if node.granted is None or what in node.granted:
        return ""
    has = node.description.withheld.get(what, 0)
    return f"{things}: not granted" + (f"; the node has {has}" if has else "")


def _collections(node: NodeRecord) -> RenderableType:
    if not node.description.collections:
        return _not_granted(node, "search", "collections") or "no collections"
    replicated = any(one.replica for one in node.description.collections)
    made = table(
        "collection", "documents", "changed", *(["replica of"] if replicated else []), right=frozenset({"documents"})
    )
    for one in node.description.collections:
        shared = [cell(one.replica or "")] if replicated else []
        made.add_row(cell(one.name), f"{one.documents:,}", ago(one.updated_at), *shared)
    return Group(made, *_source_notes(node.description.collections))


def _source_notes(collections: Sequence[CollectionInfo]) -> Iterator[Text]:
    """What is to be known of the sources, a line for each collection that needs one."""
    for one in collections:
        if said := remarks(one):
            first = f": {one.note}" if one.note and one.note not in said else ""
            yield Text(clean(f"{one.name}:{said}{first}"), "yellow")


def _actions(node: NodeRecord) -> RenderableType:
    if not node.description.actions:
        return _not_granted(node, "actions", "actions") or "no actions"
    made = table("action", "kind", "timeout", "what it does")
    for one in node.description.actions:
        made.add_row(cell(signature(one)), cell(one.kind), f"{one.timeout_s:g} s", cell(one.summary))
    return made
