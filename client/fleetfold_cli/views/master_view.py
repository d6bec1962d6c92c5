"""The view of masters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.text import ago, cell, table
from fleetfold_shared.messages import MasterInfo, MastersReconciled

__all__ = ["listing", "reconciled"]

FIGURES = frozenset({"process", "jobs", "transactions"})
COLOUR = {"answering": "green", "alive": "green", "silent": "red", "left": "dim"}


def listing(masters: Sequence[MasterInfo]) -> RenderableType:
    """One line a master, then what is wrong around the one that answers."""
    made = table("master", "state", "host", "process", "started", "jobs", "transactions", right=FIGURES)
    for one in masters:
        made.add_row(
            cell(one.id), _state(one), cell(one.host), str(one.pid), ago(one.started_at), f"{one.jobs:,}",
            f"{one.transactions:,}",
        )  # fmt: skip
    return Group(made, *[line for one in masters for line in _wrong(one)])


def reconciled(found: MastersReconciled) -> RenderableType:
    """What was asked, what waits, and what is lost."""
    lines = [cell(f"the masters' database is an old copy: {found.reason}", "red")] if found.reason else []
    lines += [cell(f"{node}: asked; {many:,} commands since the copy") for node, many in found.asked.items()]
    lines += [cell(f"{node}: does not answer; start it, or go on without it (--accept)") for node in found.unanswered]
    lines += [cell(f"transaction {one.id}: waits for {', '.join(one.nodes)}") for one in found.held]
    lines += [cell(f"transaction {key}: parked; see `fleetfold tx show {key}`") for key in found.parked]
    if not found.lost:
        return Group(*lines, cell("nothing is lost that a node knows of"))
    made = table("node", "command", "action", "outcome", "what to do")
    for one in found.lost:
        made.add_row(cell(one.node), cell(one.id), cell(one.action), one.outcome or "unfinished", cell(one.reason))
    return Group(*lines, made, *([cell(f"and {found.more:,} more")] if found.more else []))


def _wrong(one: MasterInfo) -> Iterator[Text]:
    if one.restored:
        yield cell(f"the database is an old copy: {one.restored}; see `fleetfold masters reconcile`", "red")
    if one.broker not in {None, "ok"}:
        yield cell(f"the broker does not store: {one.broker}, since {ago(one.broker_since)}", "red")
    if one.disk:
        yield cell(f"{one.id}: its disk is {one.disk}", "yellow")
    if one.database not in {None, "ok"}:
        yield cell(f"{one.id}: its database is damaged: {one.database}", "red")


def _state(one: MasterInfo) -> Text:
    said = one.state if one.silent_s is None else f"{one.state} for {one.silent_s:.1f} s"
    said = f"{said}, restored" if one.restored else said
    return Text(said, style=COLOUR[one.state])
