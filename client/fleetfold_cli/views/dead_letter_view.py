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
    if not found.letters:
        return nothing("dead letters", "no dead letters", filters)
    made = table("letter", "reason", "node", "action", "of", "died", "error")
    for letter in found.letters:
        made.add_row(
            cell(letter.id), cell(letter.reason, "red"), cell(letter.node), cell(letter.action or "-"),
            cell(_of(letter)), ago(letter.at), one_line(letter.error, ERROR_CHARS),
        )  # fmt: skip
    if found.total <= len(found.letters):
        return made
    return Group(made, cell(f"{found.total - len(found.letters)} more: narrow it down, or raise --limit", "dim"))


def detail(letter: DeadLetter) -> RenderableType:
    """All fields."""
    facts = grid()
    for name, value in (
        ("letter", letter.id), ("reason", letter.reason), ("error", letter.error), ("node", letter.node),
        ("action", letter.action or "-"), ("params", result(letter.params, 2000)), ("command", letter.command),
        ("of", _of(letter)), ("caller", letter.caller or "-"),
    ):  # fmt: skip
        facts.add_row(name, cell(value))
    if letter.retried_as is not None:
        facts.add_row("retried", cell(f"as the job {letter.retried_as}, by {letter.retried_by or '-'}"))
    events = table("when", "what", "why")
    for event in letter.history:
        events.add_row(moment(event.at), cell(event.what), cell(event.why))
    return Group(facts, events)


def outcomes(found: Sequence[Mapping[str, str]], done: str) -> RenderableType:
    """One line per dead letter, and their number."""
    if not found:
        return "no letter matches"
    lines = [f"{one['id']}  {one['error'] or one['job'] or done}" for one in found]
    good = sum(not one["error"] for one in found)
    return Group(*map(cell, [*lines, f"{good} of {len(found)} {done}"] if len(found) > 1 else lines))


def _of(letter: DeadLetter) -> str:
    if letter.tx is not None:
        return f"transaction {letter.tx}" + (f", step {letter.step}" if letter.step else "")
    return "-" if letter.job is None else f"job {letter.job}"
