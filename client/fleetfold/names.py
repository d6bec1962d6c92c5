"""Names as callers give them: a list of them, or one alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import WhichNodes

__all__ = ["Names", "listed", "which"]

Names = str | Iterable[str]
"""A name, or several."""


def listed(names: Names, field: str) -> list[str]:
    """The names as a list. `InvalidInput` that names `field` for what are no names."""
    found: list[Any] = [names] if isinstance(names, str) else list(names)
    for place, name in enumerate(found):
        if not isinstance(name, str):
            where = f"{field}[{place}]"
            raise InvalidInput(f"{where}: expected a name, got {type(name).__name__}", field=where)
    return found


def which(nodes: Names | WhichNodes) -> list[str] | WhichNodes:
    """The nodes to search, as they travel: `all` and `auto` are no names there."""
    if nodes == "all":
        return "all"
    if nodes == "auto":
        return "auto"
    return listed(nodes, "nodes")
