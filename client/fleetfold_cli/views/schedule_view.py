"""Views of schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.text import ago, cell, grid, moment, one_line, state, table
from fleetfold_shared.messages import Firing, ScheduleSpec, ScheduleView

__all__ = ["coming", "detail", "fired", "listing"]

WHY_CHARS = 80


def listing(schedules: Sequence[ScheduleView]) -> RenderableType:
    """One line a schedule."""
    if not schedules:
        return "no schedules yet: make one with `fleetfold schedules put FILE`"
    made = table("schedule", "state", "when", "does", "next", "last", "caller")
    for view in schedules:
        made.add_row(
            cell(view.spec.name), _state(view), cell(_when(view.spec)), cell(_does(view.spec)), _at(view.next_at),
            _last(view.last), cell(view.caller),
        )  # fmt: skip
    return made


def detail(view: ScheduleView) -> RenderableType:
    """What it does, when, and what became of its firings."""
    spec, facts = view.spec, grid()
    for name, value in (
        ("schedule", f"{spec.name}, version {view.version}"), ("when", _when(spec)), ("does", _does(spec)),
        ("missed", spec.misfire), ("overlap", spec.overlap), ("caller", view.caller),
    ):  # fmt: skip
        facts.add_row(name, cell(value))
    facts.add_row("state", _state(view))
    facts.add_row("next", _at(view.next_at))
    return Group(facts, _history(view.firings)) if view.firings else facts


def fired(view: ScheduleView) -> RenderableType:
    """The firing that was asked for."""
    return _history([view.last]) if view.last is not None else "nothing was fired"


def coming(times: Sequence[int], timezone: str) -> RenderableType:
    """One line a time, with the distance from UTC."""
    if not times:
        return "it is never due any more"
    zone = ZoneInfo(timezone)
    return "\n".join(f"{datetime.fromtimestamp(at, zone):%a %Y-%m-%d %H:%M:%S %z} {timezone}" for at in times)


def _history(firings: Sequence[Firing]) -> RenderableType:
    made = table("planned", "fired", "state", "outcome", "job or transaction", "why")
    for one in firings:
        by = f"asked for by {one.by}" if one.by else ""
        made.add_row(
            moment(one.planned_at), moment(one.decided_at), state(one.state),
            state(one.outcome) if one.outcome else cell("-"), cell(one.id), one_line(one.why or by, WHY_CHARS),
        )  # fmt: skip
    return made


def _when(spec: ScheduleSpec) -> str:
    when = f"{spec.cron} ({spec.timezone})" if spec.cron is not None else f"every {spec.every_s} s"
    return f"{when}, up to {spec.jitter_s:g} s later" if spec.jitter_s else when


def _does(spec: ScheduleSpec) -> str:
    if spec.run is None:
        steps: Any = (spec.transact or {}).get("steps", ())
        return f"transaction of {len(steps)} steps"
    everywhere = spec.run.get("all") or spec.run.get("nodes") == "all"
    where = "all" if everywhere else ",".join(map(str, spec.run.get("nodes", ())))
    return " ".join(part for part in (str(spec.run.get("action", "")), where) if part)


def _state(view: ScheduleView) -> Text:
    colour = {"waiting": "green", "paused": "yellow", "ended": "dim"}
    return Text(view.state, style=colour[view.state])


def _at(at: float | None) -> str:
    return "-" if at is None else moment(at)


def _last(last: Firing | None) -> RenderableType:
    if last is None:
        return "-"
    said = Text.assemble(state(last.outcome or last.state), f" {ago(last.planned_at)}")
    return said if last.state != "refused" else Text.assemble(said, f": {one_line(last.why, WHY_CHARS)}")
