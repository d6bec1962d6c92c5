"""`fleetfold schedules`: recurring runs."""

from __future__ import annotations

import time
from itertools import islice
from typing import Annotated

from cyclopts import App, Parameter

from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import FAILED, OK
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Flag, Option, Seconds
from fleetfold_cli.parsing.schedule_file import read
from fleetfold_cli.views import schedule_view as views
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ScheduleSpec

__all__ = ["schedules"]

Name = Annotated[str, Parameter(help="The schedule's name.")]

schedules = App(name="schedules", help="Recurring runs of actions and transactions: by cron, or every so many seconds.")


@schedules.command(name="list")
async def listing(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """List all schedules, with the latest firing of each."""
    async with await terminal.fleet(common) as fleet:
        found = await fleet.schedules.list()
    terminal.show(common, {"schedules": found}, lambda: views.listing(found))


@schedules.command
async def show(
    name: Name,
    /,
    *,
    firings: Annotated[int, Option(help="How many of its firings, 0 to 1000.", show_default=True)] = 20,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Show one schedule and its firings: planned times, outcomes and reasons."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.schedules.get(name, firings=firings)
    terminal.show(common, view, lambda: views.detail(view))


@schedules.command
async def put(
    file: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="One schedule, or several as `schedules`; `-` is stdin.")
    ],
    /,
    *,
    unchecked: Annotated[bool, Flag(help="Accept what no node can do yet: a firing reports it.")] = False,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """Create or change the schedules of a TOML or JSON file. Unchanged ones stay as they are.

    Nodes, actions and parameters are checked as by `run --dry-run` and `tx run --dry-run`.
    """
    specs = read(file, terminal.stdin)
    async with await terminal.fleet(common) as fleet:
        found = [await fleet.schedules.put(spec, unchecked=unchecked) for spec in specs]
    terminal.show(common, {"schedules": found}, lambda: views.listing(found))


@schedules.command
async def remove(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Remove a schedule and its history; what it has started continues."""
    async with await terminal.fleet(common) as fleet:
        await fleet.schedules.remove(name)
    terminal.show(common, {"name": name}, lambda: f"{name} removed")


@schedules.command
async def pause(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Pause a schedule: it fires no more until it is resumed."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.schedules.pause(name)
    terminal.show(common, view, lambda: views.detail(view))


@schedules.command
async def resume(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Resume a paused schedule from now on: times that passed meanwhile are skipped."""
    async with await terminal.fleet(common) as fleet:
        view = await fleet.schedules.resume(name)
    terminal.show(common, view, lambda: views.detail(view))


@schedules.command
async def fire(name: Name, /, *, common: CommonOptions = COMMON, terminal: Injected) -> int:
    """Fire a schedule now, at any time.

    Exit code 1 when the firing was refused.
    """
    async with await terminal.fleet(common) as fleet:
        view = await fleet.schedules.fire(name)
    terminal.show(common, view, lambda: views.fired(view))
    return FAILED if view.last is not None and view.last.state == "refused" else OK


@schedules.command(name="next")
async def coming(
    name: Annotated[str | None, Option(help="The schedule's name; or give `--cron` or `--every`.")] = None,
    /,
    *,
    cron: Annotated[str | None, Option(help="Minute, hour, day of the month, month, day of the week.")] = None,
    every: Annotated[int | None, Seconds(help="The interval between two times.")] = None,
    timezone: Annotated[str, Option(help="The time zone, an IANA name.", show_default=True)] = "UTC",
    count: Annotated[int, Option(help="How many, 1 to 1000.", show_default=True)] = 10,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List the next times a schedule is due. With `--cron` or `--every` they are computed here, without a fleet."""
    from fleetfold_shared.recurrence import Recurrence  # it takes a moment, and `fleetfold --help` does not need it

    if (name is None) == (cron is None and every is None):
        raise InvalidInput("name: name a schedule, or give --cron or --every", field="name")
    if not 1 <= count <= 1000:
        raise InvalidInput("--count: from 1 to 1000", field="count")
    spec, anchor = ScheduleSpec(name=name or "new", cron=cron, every_s=every, timezone=timezone), time.time()
    if name is not None:
        async with await terminal.fleet(common) as fleet:
            view = await fleet.schedules.get(name, firings=0)
        spec, anchor = view.spec, view.next_at or view.created_at
    rhythm = Recurrence(
        spec.name, spec.cron, spec.every_s, spec.timezone, int(anchor), spec.jitter_s, spec.not_before, spec.not_after
    )
    rhythm.check()
    times = list(islice(rhythm.times(time.time()), count))
    terminal.show(common, {"timezone": spec.timezone, "times": times}, lambda: views.coming(times, spec.timezone))
