"""Views of dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType

from fleetfold_cli.views.text import ago, cell, grid, moment, nothing, one_line, result, table
from fleetfold_shared.messages import DeadLetter, DeadLetterListed

__all__ = ["detail", "listing", "outcomes"]

ERROR_CHARS = 80


def listing(found: DeadLetterListed, **filters: object) -> RenderableType:
    """One line per dead letter; `filters` are the requested ones."""
    if not found.dead_letters:
        return nothing("dead letters", "no dead letters", filters)
    made = table("dead letter", "reason", "node", "action", "of", "died", "error")
    for dead in found.dead_letters:
        made.add_row(
            cell(dead.id), cell(dead.reason, "red"), cell(dead.node), cell(dead.action or "-"),
            cell(_of(dead)), ago(dead.at), one_line(dead.error, ERROR_CHARS),
        )  # fmt: skip
    if found.total <= len(found.dead_letters):
        return made
    return Group(made, cell(f"{found.total - len(found.dead_letters)} more: narrow it down, or raise --limit", "dim"))


def detail(dead: DeadLetter) -> RenderableType:
    """All fields."""
    facts = grid()
    for name, value in (
        ("dead letter", dead.id), ("reason", dead.reason), ("error", dead.error), ("node", dead.node),
        ("action", dead.action or "-"), ("params", result(dead.params, 2000)), ("command", dead.command),
        ("of", _of(dead)), ("caller", dead.caller or "-"),
    ):  # fmt: skip
        facts.add_row(name, cell(value))
    if dead.retried_as is not None:
        facts.add_row("retried", cell(f"as the job {dead.retried_as}, by {dead.retried_by or '-'}"))
    events = table("when", "what", "why")
    for event in dead.history:
        events.add_row(moment(event.at), cell(event.what), cell(event.why))
    return Group(facts, events)


def outcomes(found: Sequence[Mapping[str, str]], done: str) -> RenderableType:
    """One line per dead letter, and their number."""
    if not found:
        return "no dead letter matches"
    lines = [f"{one['id']}  {one['error'] or one['job'] or done}" for one in found]
    good = sum(not one["error"] for one in found)
    return Group(*map(cell, [*lines, f"{good} of {len(found)} {done}"] if len(found) > 1 else lines))


def _of(dead: DeadLetter) -> str:
    if dead.tx is not None:
        return f"transaction {dead.tx}" + (f", step {dead.step}" if dead.step else "")
    return "-" if dead.job is None else f"job {dead.job}"
