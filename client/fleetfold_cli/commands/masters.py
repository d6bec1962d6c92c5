"""`fleetfold masters`: the masters of the fleet."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App

from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import FAILED, OK, PARTLY
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Flag
from fleetfold_cli.views import master_view as views

__all__ = ["masters"]

masters = App(name="masters", help="The masters of the fleet, and their database.")


@masters.command(name="list")
async def listing(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """List the masters: where each runs, whether it is alive, and how many jobs and transactions it drives."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.masters.list()
    terminal.show(common, {"masters": found}, lambda: views.listing(found))


@masters.command
async def reconcile(
    *,
    accept: Annotated[
        bool, Flag(help="Go on without the nodes that do not answer, and forget the list of what is lost.")
    ] = False,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Ask the nodes what has happened since the copy, after an old copy of the masters' database was put back.

    Shown are the nodes that do not answer, the transactions that wait for them, and the commands that nodes have and
    the database lacks: their callers must send them again. Exit code 1 while nodes have to be asked, 3 when they were
    and something is lost.
    """
    async with await terminal.fleet(common) as fleet:
        found = await fleet.masters.reconcile(accept=accept)
    terminal.show(common, found, lambda: views.reconciled(found))
    if found.reason:
        return FAILED
    return PARTLY if found.lost or found.parked else OK
