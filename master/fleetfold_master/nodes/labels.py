"""Labels: those that a node declares, overlaid by those of operators. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import LabelSource, NodeUpdate

__all__ = ["Overlay", "effective_labels", "label_sources", "relabelled"]

Overlay = Mapping[str, str | None]
"""What operators have set: a value, or None for a removed label."""


def effective_labels(declared: Mapping[str, str], overlay: Overlay | None) -> dict[str, str]:
    """The effective labels."""
    merged = {**declared, **(overlay or {})}
    return {name: value for name, value in merged.items() if value is not None}


def label_sources(declared: Mapping[str, str], overlay: Overlay | None) -> dict[str, LabelSource]:
    """For each effective label, whether the node or an operator set it."""
    return {name: "operator" if name in (overlay or {}) else "node" for name in effective_labels(declared, overlay)}


def relabelled(declared: Mapping[str, str], overlay: Overlay | None, change: NodeUpdate) -> dict[str, str | None]:
    """The overlay after a change. Raises `InvalidInput`, naming the label."""
    added = change.labels or {}
    if change.labels_from_node:
        if added or change.unlabel:
            raise InvalidInput(
                "labels_from_node: it takes back all that was set; give labels or unlabel in a second call",
                field="labels_from_node",
            )
        return {}
    present = effective_labels(declared, overlay)
    for name in change.unlabel:
        if name in added:
            raise InvalidInput(f"unlabel: {name!r} is given as a label, too; leave one of the two out", field="unlabel")
        if name not in present:
            known = ", ".join(sorted(present)) or "none"
            raise InvalidInput(f"unlabel: {change.node!r} has no label {name!r}; it has: {known}", field="unlabel")
    removed = {name: None for name in change.unlabel if name in declared}
    remaining = {name: value for name, value in (overlay or {}).items() if name not in change.unlabel}
    return {**remaining, **removed, **added}
