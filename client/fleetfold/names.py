"""Lists of names as callers give them: several, or a single one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import WhichNodes

__all__ = ["Names", "listed", "which"]

Names = str | Iterable[str]
"""A name, or several."""


def listed(names: Names, field: str) -> list[str]:
    """The names as a list. Raises `InvalidInput`, naming `field`, for anything else."""
    found: list[Any] = [names] if isinstance(names, str) else list(names)
    for place, name in enumerate(found):
        if not isinstance(name, str):
            where = f"{field}[{place}]"
            raise InvalidInput(f"{where}: expected a name, got {type(name).__name__}", field=where)
    return found


def which(nodes: Names | WhichNodes) -> list[str] | WhichNodes:
    """The nodes to search in the wire format: `all` and `auto` are not names there."""
    if nodes == "all":
        return "all"
    if nodes == "auto":
        return "auto"
    return listed(nodes, "nodes")
