"""Waiting for a job: its progress, and its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from fleetfold_cli.command_context import PLAIN, Terminal
from fleetfold_cli.exit_codes import of_job
from fleetfold_cli.json_output import line
from fleetfold_cli.parsing.common_options import OutputOptions
from fleetfold_cli.views import job_view as views
from fleetfold_cli.views import progress_view
from fleetfold_shared.errors import DeadlineExceeded
from fleetfold_shared.messages import Job

if TYPE_CHECKING:
    from fleetfold.client import Client

__all__ = ["run_watched", "watch"]

QUIET_S = 1.0
"""A job that takes less time, in seconds, gets no progress view."""
REFRESHES_PER_SECOND = 8

Begin = Callable[[bool], Awaitable[Job]]
"""Starts a job, given whether to wait for its end; idempotent."""
Tell = Callable[[Job], None]


async def run_watched(
    fleet: Client, begin: Begin, key: str, output: OutputOptions, terminal: Terminal, *,
    patience_s: Callable[[Job], float], detach: bool = False, follow: bool = False,
) -> int:  # fmt: skip
    """Start the job `key`, wait for it unless detached, and print it. Returns the exit code.

    Raises `DeadlineExceeded` if it has not ended after `patience_s` seconds. With `output.json` one document is
    printed at the end, or with `follow` a line at each change.
    """
    with _going_on(key, terminal):
        job = await begin(output.json and not (detach or follow))
        if job.state == "running" and not detach:
            return await watch(fleet, job.id, output, terminal, patience_s=patience_s(job), lines=follow)
    if output.json and follow:
        print(line(job), file=terminal.out, flush=True)
    else:
        terminal.show(output, job, lambda: job.id if detach and job.state != "checked" else views.detail(job))
    return of_job(job)


async def watch(
    fleet: Client, key: str, output: OutputOptions, terminal: Terminal, *, patience_s: float | None, lines: bool = True
) -> int:
    """Wait for a job's end with progress, and print it. Returns the exit code.

    `lines`: with `output.json` each change is a line; else there is one document at the end.
    """
    with _going_on(key, terminal):
        if output.json:
            tell: Tell = (lambda job: print(line(job), file=terminal.out, flush=True)) if lines else _nothing
            job = await _to_the_end(fleet, key, tell, patience_s)
            if lines:
                return of_job(job)
        else:
            with _telling(terminal) as tell:
                job = await _to_the_end(fleet, key, tell, patience_s)
    terminal.show(output, job, lambda: views.detail(job))
    return of_job(job)


async def _to_the_end(fleet: Client, key: str, tell: Tell, patience_s: float | None) -> Job:
    try:
        async with asyncio.timeout(patience_s), aclosing(fleet.jobs.follow(key)) as changes:
            return await _last(changes, tell)
    except TimeoutError:
        raise DeadlineExceeded(f"{key} has not ended within {patience_s:g} s; it goes on") from None


async def _last(changes: AsyncIterator[Job], tell: Tell) -> Job:
    latest: Job | None = None
    async for latest in changes:
        tell(latest)
    assert latest is not None, "a job's state is sent at least once"
    return latest


@contextmanager
def _telling(terminal: Terminal) -> Iterator[Tell]:
    """The progress view: live on a terminal, else lines."""
    if not terminal.err.isatty():
        yield _ProgressLines(terminal)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=terminal.err, **PLAIN)
    with Live(console=console, transient=True, refresh_per_second=REFRESHES_PER_SECOND) as live:
        yield _after_a_moment(lambda job: live.update(progress_view.live(job)))


class _ProgressLines:
    """Prints a line for each node that has ended, and every few seconds for one with progress."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._printed = progress_view.PrintedProgress()
        self._begun = asyncio.get_running_loop().time()

    def __call__(self, job: Job) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._begun < QUIET_S or job.state != "running":
            return
        for said in self._printed.news(job, now):
            self._terminal.say(said, aside=True)


def _after_a_moment(tell: Tell) -> Tell:
    begun = asyncio.get_running_loop().time()
    return lambda job: tell(job) if asyncio.get_running_loop().time() - begun >= QUIET_S else None


@contextmanager
def _going_on(key: str, terminal: Terminal) -> Iterator[None]:
    """Tell a user who stops waiting that the job continues."""
    try:
        yield
    except asyncio.CancelledError:
        print(
            f"fleetfold: the job {key} goes on; `fleetfold jobs follow {key}` watches it, "
            f"`fleetfold jobs cancel {key}` stops it",
            file=terminal.err, flush=True,
        )  # fmt: skip
        raise


def _nothing(_job: Job) -> None:
    """Print nothing."""
