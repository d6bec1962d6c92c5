"""The view of masters."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from fleetfold_cli.views.text import ago, cell, table
from fleetfold_shared.messages import MasterInfo

__all__ = ["listing"]

FIGURES = frozenset({"process", "jobs", "transactions"})
COLOUR = {"answering": "green", "alive": "green", "silent": "red", "left": "dim"}


def listing(masters: Sequence[MasterInfo]) -> RenderableType:
    """One line a master."""
    made = table("master", "state", "host", "process", "started", "jobs", "transactions", right=FIGURES)
    for one in masters:
        made.add_row(
            cell(one.id), _state(one), cell(one.host), str(one.pid), ago(one.started_at), f"{one.jobs:,}",
            f"{one.transactions:,}",
        )  # fmt: skip
    return made


def _state(one: MasterInfo) -> Text:
    said = one.state if one.silent_s is None else f"{one.state} for {one.silent_s:.1f} s"
    return Text(said, style=COLOUR[one.state])
