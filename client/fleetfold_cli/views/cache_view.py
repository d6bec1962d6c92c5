"""Views of the query cache."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from fleetfold_cli.views.text import ago, grid, ms, one_line, table
from fleetfold_shared.messages import CacheStats, PopularQuery

__all__ = ["popular", "statistics"]

QUERY_CHARS = 80


def statistics(found: CacheStats) -> RenderableType:
    """One line a number."""
    if not found.kept_s:
        return "no answers are cached: search.cache_s is 0"
    made = grid()
    made.add_row("hits", f"{found.hits:,}, and {found.shared:,} shared with an equal question of the same moment")
    made.add_row("misses", f"{found.misses:,}")
    made.add_row("hit rate", "-" if found.hit_rate is None else f"{found.hit_rate:.1%}")
    made.add_row("saved by a hit", ms(found.saved_ms))
    made.add_row("in memory", f"{found.memory_entries:,} answers, {_size(found.memory_bytes)}")
    made.add_row("in the table", f"{found.entries:,} answers, {_size(found.bytes)}")
    made.add_row("lifetime", f"{found.kept_s:g} s")
    made.add_row("counted since", ago(found.since))
    return made


def popular(queries: Sequence[PopularQuery]) -> RenderableType:
    """One line a question."""
    if not queries:
        return "nothing was asked yet"
    made = table("asked", "last", "query")
    for one in queries:
        made.add_row(f"{one.count:,}", ago(one.asked_at), one_line(one.query, QUERY_CHARS))
    return made


def _size(count: int) -> str:
    for size, unit in ((1024**2, "MB"), (1024, "kB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
