"""`fleetfold jobs`: what became of the actions that were run."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from fleetfold.cli.options import COMMON, Common, Option
from fleetfold.cli.terminal import Injected
from fleetfold.cli.views import jobs as views

__all__ = ["jobs"]

Id = Annotated[str, Parameter(help="The job's id.")]

jobs = App(name="jobs", help="What became of the actions that were run.")


@jobs.command(name="list")
async def listing(
    *,
    limit: Annotated[int, Option(help="How many, 1 to 1000.", show_default=True)] = 50,
    common: Common = COMMON,
    terminal: Injected,
) -> None:
    """The latest jobs, newest first."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.jobs(limit)
    terminal.show(common, {"jobs": found}, lambda: views.listing(found))


@jobs.command
async def show(id: Id, /, *, common: Common = COMMON, terminal: Injected) -> None:  # noqa: A002
    """One job: its outcome and result on every node."""
    async with await terminal.fleet(common) as fleet:
        job = await fleet.job(id)
    terminal.show(common, job, lambda: views.detail(job))
