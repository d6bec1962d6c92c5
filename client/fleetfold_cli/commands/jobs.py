"""`fleetfold jobs`: jobs and their outcomes."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import App, Parameter

from fleetfold_cli.command_context import Injected
from fleetfold_cli.commands.job_watch import watch
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Duration, Option, Seconds
from fleetfold_cli.parsing.durations import duration_s
from fleetfold_cli.views import job_view as views
from fleetfold_shared.messages import JobState

__all__ = ["jobs"]

Id = Annotated[str, Parameter(help="The job's id.")]

jobs = App(name="jobs", help="List, follow and cancel jobs.")


@jobs.command(name="list")
async def listing(
    *,
    limit: Annotated[int, Option(help="How many, 1 to 1000.", show_default=True)] = 50,
    state: Annotated[JobState | None, Option(help="Only those in this state.")] = None,
    action: Annotated[str | None, Option(help="Only those of this action.")] = None,
    caller: Annotated[str | None, Option(help="Only those of this caller.")] = None,
    since: Annotated[str | None, Duration(help="Only those begun within this time")] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List the latest jobs, newest first."""
    begun = None if since is None else time.time() - duration_s(since, "since")
    async with await terminal.fleet(common) as fleet:
        found = await fleet.jobs.list(limit, state=state, action=action, caller=caller, since=begun)
    terminal.show(
        common, {"jobs": found}, lambda: views.listing(found, state=state, action=action, caller=caller, since=since)
    )


@jobs.command
async def show(id: Id, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Show one job: its outcome and result on every node, or its progress there."""
    async with await terminal.fleet(common) as fleet:
        job = await fleet.jobs.get(id)
    terminal.show(common, job, lambda: views.detail(job))


@jobs.command
async def follow(
    id: Id,
    /,
    *,
    timeout: Annotated[float | None, Seconds(help="How long to wait for its end; without limit by default.")] = None,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Follow a job to its end; it continues whether it is followed or not.

    With `--json`, a line at each change. The exit code is the job's, as with `fleetfold run`.
    """
    async with await terminal.fleet(common) as fleet:
        return await watch(fleet, id, common, terminal, patience_s=timeout)


@jobs.command
async def cancel(id: Id, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Cancel a job: commands that have not begun never will, and those that run are told to stop.

    It ends when every node has answered: see `fleetfold jobs follow ID`.
    """
    async with await terminal.fleet(common) as fleet:
        job = await fleet.jobs.cancel(id)
    terminal.show(common, job, lambda: views.detail(job))
    if job.state == "running":
        terminal.advise(common, f"it ends when every node has answered: `fleetfold jobs follow {id}`")
