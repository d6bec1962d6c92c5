"""`fleetfold search`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from fleetfold_cli.error_exit import OK, PARTLY
from fleetfold_cli.next_page import next_page
from fleetfold_cli.parsing.assignments import searched_nodes
from fleetfold_cli.parsing.common_options import COMMON, Common, Flag, Many, Option, Seconds
from fleetfold_cli.parsing.sort_keys import parse_sort
from fleetfold_cli.terminal import Injected
from fleetfold_cli.views import search_view as views
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CacheUse, Dedup, Filter, Partial

__all__ = ["search"]


async def search(
    query: Annotated[str, Parameter(help="What you look for, in your own words.")],
    /,
    *,
    node: Annotated[tuple[str, ...], Many(help="Search this node only; may be given several times.")] = (),
    collection: Annotated[tuple[str, ...], Many(help="Search this collection only; may be given several times.")] = (),
    limit: Annotated[int, Option(help="How many hits, 1 to 100.", show_default=True)] = 10,
    threshold: Annotated[float | None, Option(help="Leave out hits with a lower score.")] = None,
    filter: Annotated[  # noqa: A002
        str | None,
        Option(help='A test of the documents\' fields as JSON: `{"field": "price", "op": "lt", "value": 50}`.'),
    ] = None,
    timeout: Annotated[float, Seconds(help="How long a node may take.")] = 2.0,
    highlight: Annotated[
        bool | None, Option(help="Mark the matched terms: bold on a terminal, where it is the default, else `**`.")
    ] = None,
    explain: Annotated[bool, Flag(help="Say what each score is made of, and why and how each node was asked.")] = False,
    cursor: Annotated[
        str | None, Option(help="Go on behind the page that had this `cursor`; only limit and timeout may differ.")
    ] = None,
    dedup: Annotated[Dedup, Option(help="Show the same thing once: off, exact or near.", show_default=True)] = "off",
    facet: Annotated[
        tuple[str, ...], Many(help="Count the values of this field over all that match; may be given several times.")
    ] = (),
    sort: Annotated[
        tuple[str, ...],
        Many(help="Order by this field or `_score`: `price`, `price:desc`; what comes first weighs more."),
    ] = (),
    auto: Annotated[
        bool, Flag(help="Ask only the nodes that are likely to have it; with --node, only those among them.")
    ] = False,
    context: Annotated[
        tuple[str, ...], Many(help="A query before this one, oldest first: it weighs in --auto. Up to 10.")
    ] = (),
    partial: Annotated[
        Partial, Option(help="When nodes are missing: allow, require (wait for all) or fail.", show_default=True)
    ] = "allow",
    max_parallel: Annotated[int | None, Option(help="Ask so many nodes at once.")] = None,
    alpha: Annotated[
        float | None, Option(help="Words against meaning, 1 to 0, in the place of what collections declare.")
    ] = None,
    cache: Annotated[CacheUse, Option(help="A kept answer: use it, refresh it, or off.", show_default=True)] = "use",
    common: Common = COMMON,
    terminal: Injected,
) -> int:
    """Search all applications as if they were one.

    Prints the best hits of the whole fleet, and how each node did.

    On a terminal it says how to get the next page, if there is one.

    Exit code 3 when a node that should be there is missing from the answer. One that has said goodbye is `stopped`,
    and missing only where it is named, with --partial require or fail, or when nobody else is left.
    """
    test = None if filter is None else parse_filter(filter)
    on_terminal = terminal.out.isatty() and not common.json
    marked = on_terminal if highlight is None else highlight
    keys = [parse_sort(text) for text in sort]
    async with await terminal.fleet(common) as fleet:
        found = await fleet.search(
            query, limit=limit, threshold=threshold, nodes=searched_nodes(node, auto=auto), collections=collection,
            filter=test, timeout_s=timeout, highlight=marked, explain=explain, cursor=cursor, dedup=dedup, facets=facet,
            sort=keys, among=node if auto else (), context=context, partial=partial, max_parallel=max_parallel,
            alpha=alpha, cache=cache,
        )  # fmt: skip
    terminal.show(common, found, lambda: views.answer(found, styled=on_terminal))
    if found.cursor is not None:
        terminal.advise(common, f"next page: {next_page(terminal.words, found.cursor)}")
    return PARTLY if found.partial else OK


def parse_filter(text: str) -> Filter:
    """The filter that `text` is in JSON; `InvalidInput` says what is wrong with it."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"filter: not JSON: {error}", field="filter") from None
    return convert_to(value, Filter, "filter")
