"""The view of masters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.text import ago, cell, table
from fleetfold_shared.messages import MasterInfo

__all__ = ["listing"]

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


def _wrong(one: MasterInfo) -> Iterator[Text]:
    if one.broker not in {None, "ok"}:
        yield cell(f"the broker does not store: {one.broker}, since {ago(one.broker_since)}", "red")
    if one.disk:
        yield cell(f"{one.id}: its disk is {one.disk}", "yellow")
    if one.database not in {None, "ok"}:
        yield cell(f"{one.id}: its database is damaged: {one.database}", "red")


def _state(one: MasterInfo) -> Text:
    said = one.state if one.silent_s is None else f"{one.state} for {one.silent_s:.1f} s"
    return Text(said, style=COLOUR[one.state])
