"""A node as callers see it: its row, the operators' overlay, and its present state."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from fleetfold_master.nodes.clock_watch import describe_offset
from fleetfold_master.nodes.effective_state import standing
from fleetfold_master.nodes.labels import effective_labels, label_sources
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.nodes.presence import Presence
from fleetfold_shared.messages import NodeDescription, NodePresence, NodeRecord

__all__ = ["presence_of", "record_of"]


def record_of(
    node: StoredNode, version: str, presence: Presence, in_flight: int, fingerprints: Mapping[str, str],
    clock_off_s: float | None = None,
) -> NodeRecord:  # fmt: skip
    """The record of a node, for masters of that version."""
    state, reason, since = standing(node, version)
    if state == "active" and clock_off_s is not None:
        reason = f"its clock is {describe_offset(clock_off_s)} its peers'; set the machine's time"
    up = presence.is_up(node.name)
    return NodeRecord(
        name=node.name, state=state, healthy=up and state == "active", description=_described(node),
        registered_at=node.registered_at, last_seen_at=node.last_seen_at, title=node.title,
        response_ms=presence.response_ms(node.name), in_flight=in_flight,
        fingerprint=fingerprints.get(node.name, "") if state == "pending" else "",
        reason=reason, since=since, presence=presence_of(node, presence),
        failing=sorted({one.part for one in node.problems}) if state == "error" else [], heartbeat_s=node.heartbeat_s,
        label_sources=label_sources(node.description.labels, node.labels), ledger=node.ledger,
        clock_off_s=clock_off_s,
    )  # fmt: skip


def presence_of(node: StoredNode, presence: Presence) -> NodePresence:
    """Whether the node is up, has said goodbye, or is missing."""
    if presence.is_up(node.name):
        return "up"
    return "not_heard" if node.stopped_at is None else "stopped"


def _described(node: StoredNode) -> NodeDescription:
    said = node.description
    if node.labels is None and node.weight is None:
        return said
    return replace(said, labels=effective_labels(said.labels, node.labels), weight=node.weight or said.weight)
