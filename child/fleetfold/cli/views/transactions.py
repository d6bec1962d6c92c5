"""Transactions, as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold.cli.views.text import ago, cell, clock, result, state, table
from fleetfold_shared.messages import StepView, TimelineEntry, TransactionView

__all__ = ["detail", "listing"]


def listing(transactions: Sequence[TransactionView]) -> RenderableType:
    """One line a transaction."""
    if not transactions:
        return "no transactions yet: start one with `fleetfold tx run FILE`"
    made = table("transaction", "name", "state", "steps", "started", "caller")
    for one in transactions:
        steps = ", ".join(step.name for step in one.steps)
        made.add_row(cell(one.id), cell(one.name), state(one.state), cell(steps), ago(one.created_at), cell(one.caller))
    return made


def detail(view: TransactionView) -> RenderableType:
    """The steps, then all that happened, then how it ended."""
    named = f"{view.name}: " if view.name else ""
    head = Text.assemble(cell(named, "bold"), state(view.state), cell(f"  transaction {view.id}", "dim"))
    why = [cell(view.error, "red")] if view.error else []
    timeline = [_timeline(view.timeline, view.created_at), Text()] if view.timeline else []
    return Group(_steps(view.steps), Text(), *timeline, head, *why)


def _steps(steps: Sequence[StepView]) -> RenderableType:
    made = table("stage", "step", "node", "action", "state", "tries", "result", right=frozenset({"stage", "tries"}))
    for step in steps:
        said = cell(step.error, "red") if step.error else cell(result(step.result))
        made.add_row(
            str(step.stage), cell(step.name), cell(step.node), cell(step.action), state(step.state),
            str(step.attempts), said,
        )  # fmt: skip
    return made


def _timeline(entries: Sequence[TimelineEntry], begun: float) -> RenderableType:
    made = table("at", "after", "step", "what", "why", right=frozenset({"after"}))
    for entry in entries:
        after = f"{max(0.0, entry.at - begun) * 1000:,.0f} ms"
        made.add_row(clock(entry.at), after, cell(entry.step or ""), cell(entry.what), cell(entry.why))
    return made
