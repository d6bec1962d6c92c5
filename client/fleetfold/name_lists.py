"""Lists of names as callers give them: several, or a single one; and the nodes that a search asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import WhichNodes

__all__ = ["Auto", "Names", "SearchedNodes", "listed", "which"]

Names = str | Iterable[str]
"""A name, or several."""


class Auto(msgspec.Struct, frozen=True):
    """The nodes that are likely to have what a query looks for; with names, those among them."""

    among: Names = ()


SearchedNodes = Names | WhichNodes | Auto
"""The nodes of a search: names, `"all"`, `"auto"`, or `Auto(...)` for a choice among some."""


def listed(names: Names, field: str) -> list[str]:
    """The names as a list. Raises `InvalidInput`, naming `field`, for anything else."""
    found: list[Any] = [names] if isinstance(names, str) else list(names)
    for place, name in enumerate(found):
        if not isinstance(name, str):
            where = f"{field}[{place}]"
            raise InvalidInput(f"{where}: expected a name, got {type(name).__name__}", field=where)
    return found


def which(nodes: SearchedNodes) -> tuple[list[str] | WhichNodes, list[str]]:
    """The nodes to search in the wire format, where `all` and `auto` are not names, and those to choose among."""
    if isinstance(nodes, Auto):
        return "auto", listed(nodes.among, "among")
    if nodes == "all":
        return "all", []
    if nodes == "auto":
        return "auto", []
    return listed(nodes, "nodes"), []
