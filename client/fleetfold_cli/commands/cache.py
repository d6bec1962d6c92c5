"""`fleetfold cache`: the master's query cache."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App

from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import OK, PARTLY
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions, Option
from fleetfold_cli.views import cache_view as views

__all__ = ["cache"]

cache = App(name="cache", help="The query cache of the master.")


@cache.command
async def stats(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Show statistics of the cache since the master's start: hits, time saved, and memory."""
    async with await terminal.fleet(common) as fleet:
        statistics = await fleet.cache.stats()
    terminal.show(common, statistics, lambda: views.statistics(statistics))


@cache.command
async def popular(
    *,
    limit: Annotated[int, Option(help="How many, 1 to 1000.", show_default=True)] = 20,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> None:
    """List the most frequent queries, the most frequent first."""
    async with await terminal.fleet(common) as fleet:
        queries = await fleet.cache.popular(limit)
    terminal.show(common, {"queries": queries}, lambda: views.popular(queries))


@cache.command
async def warm(
    *,
    limit: Annotated[int, Option(help="How many, 1 to 100.", show_default=True)] = 20,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Run the most frequent queries again, and cache the answers.

    Exit code 3 when some of them could not be answered in full.
    """
    async with await terminal.fleet(common) as fleet:
        warmed = await fleet.cache.warm(limit)
    terminal.show(common, warmed, lambda: f"{warmed.asked} asked, {warmed.kept} stored")
    return OK if warmed.kept == warmed.asked else PARTLY


@cache.command
async def clear(*, common: CommonOptions = COMMON, terminal: Injected) -> None:
    """Delete all cached answers."""
    async with await terminal.fleet(common) as fleet:
        entries = await fleet.cache.clear()
    terminal.show(common, {"entries": entries}, lambda: f"{entries} forgotten")
