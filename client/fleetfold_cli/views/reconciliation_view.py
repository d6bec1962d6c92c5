"""The comparison of a node's ledger with what the masters know, for people."""

from __future__ import annotations

from rich.console import Group, RenderableType

from fleetfold_cli.views.text import cell, table
from fleetfold_shared.messages import NodeReconciled

__all__ = ["reconciled"]


def reconciled(found: NodeReconciled) -> RenderableType:
    """What differs, and what is to be done."""
    lines = [cell(_verdict(found)), cell(f"{found.compared} commands compared, {len(found.denied)} denied")]
    if not found.denied:
        return Group(*lines)
    made = table("command", "action", "of", "state", "what to do")
    for one in sorted(found.denied, key=lambda one: not one.look):
        made.add_row(cell(one.id), cell(one.action), cell(one.work), one.state, cell(one.remedy))
    return Group(*lines, made)


def _verdict(found: NodeReconciled) -> str:
    if not found.reason:
        return f"{found.node}: its ledger is the known one"
    if found.accepted:
        return f"{found.node}: its ledger is accepted from now on"
    return f"{found.node}: {found.reason.partition(';')[0]}; add --accept when you have looked"
