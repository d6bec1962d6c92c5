"""`fleetfold masters`: the masters of the fleet."""

from __future__ import annotations

from cyclopts import App

from fleetfold_cli.parsing.common_options import COMMON, CommonOptions
from fleetfold_cli.terminal import Injected
from fleetfold_cli.views import master_view as views

__all__ = ["masters"]

masters = App(name="masters", help="List the masters of the fleet.")


@masters.command(name="list")
async def listing(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """List the masters: where each runs, whether it is alive, and how many jobs and transactions it drives."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.masters.list()
    terminal.show(common, {"masters": found}, lambda: views.listing(found))
