"""Views of transactions."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.text import ago, cell, clean, clock, nothing, result, state, table
from fleetfold_shared.messages import StepView, TimelineEntry, TransactionView

__all__ = ["TimelinePrinter", "detail", "listing"]

_STYLE = {
    "failed": "red", "timed_out": "red", "unknown": "red", "rejected": "red", "parked": "red",
    "no_result": "red", "late answer": "yellow",
    "sent again": "yellow", "taken over": "yellow", "rolling back": "yellow", "compensation sent": "yellow",
    "committed": "green",
}  # fmt: skip


NONE_YET = "no transactions yet: start one with `fleetfold tx run FILE`"


def listing(transactions: Sequence[TransactionView], **filters: object) -> RenderableType:
    """One line a transaction; `filters` are what was asked for."""
    if not transactions:
        return nothing("transactions", NONE_YET, filters)
    made = table("transaction", "name", "state", "steps", "started", "caller")
    for one in transactions:
        steps = ", ".join(step.name for step in one.steps)
        made.add_row(cell(one.id), cell(one.name), state(one.state), cell(steps), ago(one.created_at), cell(one.caller))
    return made


def detail(view: TransactionView) -> RenderableType:
    """The steps, then all that happened, then how it ended."""
    named = f"{view.name}: " if view.name else ""
    made_of = f" of {view.definition}" if view.definition else ""
    head = Text.assemble(cell(named, "bold"), state(view.state), cell(f"  transaction {view.id}{made_of}", "dim"))
    why = [cell(view.error, "red")] if view.error else []
    timeline = [_timeline(view.timeline, view.created_at), Text()] if view.timeline else []
    return Group(_steps(view.steps), Text(), *timeline, head, *why)


def _steps(steps: Sequence[StepView]) -> RenderableType:
    made = table("stage", "step", "node", "action", "state", "tries", "result", right=frozenset({"stage", "tries"}))
    for step in steps:
        said = cell(step.error, "red") if step.error else cell(result(step.result))
        made.add_row(
            str(step.stage), cell(step.name), cell(step.node), cell(step.action),
            state("checked" if step.would_run else step.state),
            str(step.attempts), said,
        )  # fmt: skip
    return made


def _timeline(entries: Sequence[TimelineEntry], begun: float) -> RenderableType:
    made = table("at", "after", "step", "what", "why", right=frozenset({"after"}))
    for entry in entries:
        what = cell(entry.what, _STYLE.get(entry.what, ""))
        made.add_row(clock(entry.at), since(entry.at - begun), cell(entry.step or ""), what, cell(entry.why))
    return made


def since(seconds: float) -> str:
    """How long after the beginning: to the millisecond, as long as that means something."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds * 1000:,.0f} ms"
    if seconds < 600:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {int(seconds) % 60:02d} s"


class TimelinePrinter:
    """A transaction line by line."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def entry(self, entry: TimelineEntry) -> str:
        """What has happened."""
        if self._begun is None:
            self._begun = entry.at
        said = " ".join(filter(None, (entry.step, entry.what)))
        why = f": {entry.why}" if entry.why else ""
        return clean(f"{clock(entry.at)}  {since(entry.at - self._begun):>10}  {said}{why}".replace("\n", " "))

    def end(self, view: TransactionView) -> str:
        """How it has ended."""
        why = f": {view.error}" if view.error else ""
        return clean(f"{view.state}  transaction {view.id}{why}".replace("\n", " "))
