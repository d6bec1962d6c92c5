"""The options of `fleetfold search`, by what they concern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from fleetfold_cli.parsing.common_options import Flag, Many, Option, Seconds
from fleetfold_shared.messages import CacheUse, Dedup, Partial

__all__ = ["PRESENTATION", "QUERY", "SCATTER", "PresentationOptions", "QueryOptions", "ScatterOptions"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What is searched, and where."""

    node: Annotated[tuple[str, ...], Many(help="Search this node only; may be given several times.")] = ()
    collection: Annotated[tuple[str, ...], Many(help="Search this collection only; may be given several times.")] = ()
    limit: Annotated[int, Option(help="How many hits, 1 to 100.", show_default=True)] = 10
    threshold: Annotated[float | None, Option(help="Leave out hits with a lower score.")] = None
    filter: Annotated[
        str | None,
        Option(help='A condition on the documents\' fields as JSON: `{"field": "price", "op": "lt", "value": 50}`.'),
    ] = None
    timeout: Annotated[float, Seconds(help="How long a node may take.")] = 2.0


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class PresentationOptions:
    """What is shown of the hits, and in which order."""

    highlight: Annotated[
        bool | None, Option(help="Mark the matched terms: bold on a terminal, where it is the default, else `**`.")
    ] = None
    explain: Annotated[bool, Flag(help="Show what each score consists of, and why and how each node was asked.")] = (
        False
    )
    cursor: Annotated[
        str | None, Option(help="Continue after the page with this `cursor`; only limit and timeout may differ.")
    ] = None
    dedup: Annotated[Dedup, Option(help="Show the same thing once: off, exact or near.", show_default=True)] = "off"
    facet: Annotated[
        tuple[str, ...], Many(help="Count the values of this field over all that match; may be given several times.")
    ] = ()
    sort: Annotated[
        tuple[str, ...],
        Many(help="Order by this field or `_score`: `price`, `price:desc`; the first key takes precedence."),
    ] = ()


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class ScatterOptions:
    """Which nodes are asked, and how."""

    auto: Annotated[
        bool, Flag(help="Ask only the nodes that are likely to have it; with --node, only those among them.")
    ] = False
    context: Annotated[
        tuple[str, ...], Many(help="A previous query, oldest first, that --auto takes into account. Up to 10.")
    ] = ()
    partial: Annotated[
        Partial, Option(help="When nodes are missing: allow, require (wait for all) or fail.", show_default=True)
    ] = "allow"
    max_parallel: Annotated[int | None, Option(help="Ask at most so many nodes at once.")] = None
    alpha: Annotated[
        float | None, Option(help="Words against meaning, 1 to 0, in place of what collections declare.")
    ] = None
    cache: Annotated[CacheUse, Option(help="A cached answer: use it, refresh it, or off.", show_default=True)] = "use"


QUERY, PRESENTATION, SCATTER = QueryOptions(), PresentationOptions(), ScatterOptions()
