"""Text helpers for views. Text of nodes and documents is sanitised, so that it cannot control the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fleetfold_cli.safe_text import clean, flat

__all__ = [
    "ago",
    "cell",
    "clean",
    "clock",
    "dropped",
    "grid",
    "joined",
    "moment",
    "ms",
    "nothing",
    "one_line",
    "only_last_folds",
    "result",
    "state",
    "table",
]  # fmt: skip

NONE = "-"
_COLOUR = {
    "started": "cyan", "accepted": "cyan", "due": "cyan", "queued": "cyan",
    "active": "green", "ok": "green", "done": "green", "committed": "green", "yes": "green",
    "pending": "yellow", "inactive": "yellow", "maintenance": "yellow", "partial": "yellow", "partly": "yellow",
    "running": "cyan", "compensating": "yellow", "compensated": "yellow", "rolled_back": "yellow", "waiting": "dim",
    "skipped": "dim", "note": "dim", "not_selected": "dim", "no_collection": "dim", "removed": "dim",
    "checked": "dim", "cancelled": "yellow", "stopped": "dim", "up": "green",
}  # fmt: skip


def one_line(text: str, width: int) -> str:
    """The beginning of `text` on one line of at most `width` characters."""
    flat = clean(" ".join(text.split()))
    return flat if len(flat) <= width else flat[: width - 1].rstrip() + "…"


def cell(value: object, style: str = "") -> Text:
    """`value` on one line as it is, whatever brackets are in it."""
    return Text(flat(str(value)), style=style)


def state(value: str) -> Text:
    """A state or an outcome; in red what is none of the known good or harmless ones; `checked` is a dry run."""
    return Text("would run" if value == "checked" else flat(value), style=_COLOUR.get(value, "red"))


def ms(value: float | None) -> str:
    """Milliseconds, three digits where they are few."""
    if value is None:
        return NONE
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def ago(at: float | None, now: float | None = None) -> str:
    """How long ago the Unix second `at` was."""
    if at is None:
        return "never"
    seconds = max(0.0, (time.time() if now is None else now) - at)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def clock(at: float) -> str:
    """The Unix second `at` as local time of day, to the millisecond."""
    return _local("%H:%M:%S", at) + f".{int(at % 1 * 1000):03d}"


def moment(at: float) -> str:
    """The Unix second `at` as local date and time."""
    return _local("%Y-%m-%d %H:%M:%S", at)


def _local(form: str, at: float) -> str:
    """A node's clock may say anything."""
    try:
        return time.strftime(form, time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return NONE


def dropped(connections: int) -> str:
    """How many connections were ended."""
    return f"{connections} connection{'' if connections == 1 else 's'} dropped"


def nothing(what: str, none_yet: str, filters: Mapping[str, object]) -> str:
    """What a list says that is empty: that there is none yet, or none that the filters leave, with these."""
    given = [f"--{name} {value}" for name, value in filters.items() if value not in (None, "", ())]
    return flat(f"no {what} match {' '.join(given)}") if given else none_yet


def joined(values: dict[str, Any]) -> str:
    """`key=value` pairs on one line."""
    return ", ".join(f"{key}={value}" for key, value in values.items()) or NONE


def result(value: Any, width: int = 100) -> str:
    """What an action gave back, as JSON on one line."""
    return "" if value is None else one_line(msgspec.json.encode(value).decode(), width)


def table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """A table with these headings; those in `right` hold numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left")
    return made


def only_last_folds(wide: Table) -> None:
    """Set the columns of a `wide` table closer, and where its lines are too long fold those of the last one alone."""
    wide.padding = (0, 1, 0, 0)
    for column in wide.columns[:-1]:
        column.no_wrap = True


def grid() -> Table:
    """Names on the left, what they stand for on the right."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold")
    made.add_column()
    return made
