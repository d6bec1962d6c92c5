"""Views of definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.text import ago, cell, moment, table
from fleetfold_shared.messages import DefinitionInfo, DefinitionRecord, DefinitionStored, StepSpec

__all__ = ["detail", "listing", "stored"]


def listing(definitions: Sequence[DefinitionInfo]) -> RenderableType:
    """One line a definition."""
    if not definitions:
        return "no definitions yet: keep one with `fleetfold definitions put FILE`"
    made = table("definition", "inputs", "steps", "nodes", "put", "by", "about", right=frozenset({"steps"}))
    for one in definitions:
        made.add_row(
            cell(f"{one.name}@{one.version}"), cell(", ".join(one.inputs)), str(one.steps), cell(", ".join(one.nodes)),
            ago(one.created_at), cell(one.created_by), cell(one.about),
        )  # fmt: skip
    return made


def stored(answer: DefinitionStored, *, checked: bool) -> RenderableType:
    """The version, and what the fleet would refuse now."""
    what = "new" if answer.fresh else "the same as before"
    head = cell(f"{answer.name}@{answer.version}: {what}{', not stored' if checked else ''}")
    return Group(head, *(cell(f"warning: {one}", "yellow") for one in answer.warnings))


def detail(record: DefinitionRecord) -> RenderableType:
    """What it takes, then its steps."""
    definition = record.definition
    head = Text.assemble(
        cell(f"{definition.name}@{record.version}", "bold"),
        cell(f"  put {moment(record.created_at)} by {record.created_by}", "dim"),
        cell("  removed" if record.removed_at is not None else "", "red"),
    )
    about = [cell(definition.about)] if definition.about else []
    inputs = [_inputs(record.schema["properties"]), Text()] if definition.inputs else []
    return Group(head, *about, Text(), *inputs, _steps(definition.steps))


def _inputs(properties: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    made = table("input", "type", "default")
    for name, schema in properties.items():
        kind = schema.get("type") or ("any" if not schema.keys() - {"default"} else "as its schema says")
        default = _json(schema["default"]) if "default" in schema else "required"
        made.add_row(cell(name), cell(kind), cell(default))
    return made


def _steps(steps: Sequence[StepSpec]) -> RenderableType:
    made = table("step", "node", "action", "params", "rollback", "comes")
    for step in steps:
        compensation = f"{step.rollback.action} {_json(step.rollback.params)}" if step.rollback else ""
        made.add_row(
            cell(step.name),
            cell(step.node),
            cell(step.action),
            cell(_json(step.params)),
            cell(compensation),
            cell(_when(step)),
        )
    return made


def _when(step: StepSpec) -> str:
    place = "" if step.stage is None else f"stage {step.stage}"
    after = "" if step.depends_on is None else f"after {', '.join(step.depends_on) or 'nothing'}"
    condition = "" if step.when is None else f"when {_json(step.when)}"
    return "; ".join(filter(None, [place, after, condition, "the point of no return" if step.pivot else ""]))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
