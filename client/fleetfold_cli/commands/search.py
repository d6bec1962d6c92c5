"""`fleetfold search`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from fleetfold.search_request import SearchOptions
from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import OK, PARTLY
from fleetfold_cli.next_page import next_page
from fleetfold_cli.parsing.assignments import searched_nodes
from fleetfold_cli.parsing.common_options import COMMON, CommonOptions
from fleetfold_cli.parsing.search_options import (
    PRESENTATION,
    QUERY,
    SCATTER,
    PresentationOptions,
    QueryOptions,
    ScatterOptions,
)
from fleetfold_cli.parsing.sort_keys import parse_sort
from fleetfold_cli.views import search_view as views
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter

__all__ = ["search"]


async def search(
    query: Annotated[str, Parameter(help="What you look for, in your own words.")],
    /,
    *,
    within: QueryOptions = QUERY,
    presentation: PresentationOptions = PRESENTATION,
    scatter: ScatterOptions = SCATTER,
    common: CommonOptions = COMMON,
    terminal: Injected,
) -> int:
    """Search all applications as if they were one.

    Prints the best hits of the whole fleet, and the status of each node.

    On a terminal it prints the command for the next page, if there is one.

    Exit code 3 when an expected node is missing from the answer. One that has signed off is `stopped`, and counts as
    missing only where it is named, with --partial require or fail, or when no other node is left.
    """
    test = None if within.filter is None else parse_filter(within.filter)
    on_terminal = terminal.out.isatty() and not common.json
    keys = [parse_sort(text) for text in presentation.sort]
    options = _options(within, presentation, scatter, highlight=on_terminal)
    nodes = searched_nodes(within.node, auto=scatter.auto)
    async with await terminal.fleet(common) as fleet:
        found = await fleet.search(
            query, limit=within.limit, nodes=nodes, collections=within.collection, filter=test, sort=keys,
            timeout_s=within.timeout, options=options,
        )  # fmt: skip
    terminal.show(common, found, lambda: views.answer(found, styled=on_terminal))
    if found.cursor is not None:
        terminal.advise(common, f"next page: {next_page(terminal.words, found.cursor)}")
    return PARTLY if found.partial else OK


def _options(
    within: QueryOptions, presentation: PresentationOptions, scatter: ScatterOptions, *, highlight: bool
) -> SearchOptions:
    """Build the options; `highlight` is the default of that option."""
    return SearchOptions(
        threshold=within.threshold, explain=presentation.explain, cursor=presentation.cursor, dedup=presentation.dedup,
        highlight=highlight if presentation.highlight is None else presentation.highlight, facets=presentation.facet,
        context=scatter.context, partial=scatter.partial, max_parallel=scatter.max_parallel, alpha=scatter.alpha,
        cache=scatter.cache,
    )  # fmt: skip


def parse_filter(text: str) -> Filter:
    """Parse a filter in JSON. Raises `InvalidInput`."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"filter: not JSON: {error}", field="filter") from None
    return convert_to(value, Filter, "filter")
