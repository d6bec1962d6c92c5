"""The expansion of inputs: validation, and steps with inputs filled in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from fleetfold_master.jobs.parameter_check import check_params
from fleetfold_master.transactions.step_order import wrong
from fleetfold_shared.definition_inputs import input_schema
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionInfo, Definition, Filter, StepSpec
from fleetfold_shared.templates import Room, fill, fill_inputs

__all__ = ["check_inputs", "check_schema", "expand"]


def check_schema(definition: Definition) -> None:
    """Raise `InvalidInput`, naming the input, if a schema is invalid or its default does not fit."""
    for name, schema in input_schema(definition.inputs)["properties"].items():
        given = {name: schema["default"]} if "default" in schema else {}
        one = ActionInfo(definition.name, {"type": "object", "properties": {name: schema}})
        try:
            check_params(one, given, "inputs")
        except InvalidInput as error:
            if error.field is None:
                why = error.message.partition(" JSON Schema ")[2].partition("; mend")[0]
                raise InvalidInput(f"inputs.{name}: no usable JSON Schema {why}", field=f"inputs.{name}") from None
            raise


def check_inputs(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with defaults. Raises `InvalidInput` for the first that is missing, unknown or does not fit."""
    schema = input_schema(definition.inputs)
    check_params(ActionInfo(definition.name, schema), given, "inputs")
    defaults = {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    return {**defaults, **given}


def expand(steps: Iterable[StepSpec], inputs: Mapping[str, Any]) -> list[StepSpec]:
    """The steps with inputs filled in. Raises `InvalidInput`, naming step and input, for a missing one, or if the
    result does not fit into a message."""
    room = Room()
    return [_expanded(step, inputs, room) for step in steps]


def _expanded(step: StepSpec, inputs: Mapping[str, Any], room: Room) -> StepSpec:
    where = "params"
    try:
        params = fill_inputs(step.params, inputs, room)
        where = "rollback.params"
        rollback = step.rollback and replace(step.rollback, params=fill_inputs(step.rollback.params, inputs, room))
        where = "when"
        when = step.when and _condition(step.when, inputs, room)
    except InvalidInput as error:
        raise wrong(step, where, error.message) from None
    return replace(step, params=params, rollback=rollback, when=when)


def _condition(when: Filter, inputs: Mapping[str, Any], room: Room) -> Filter:
    """Values in a condition are literals, so they are filled in as such."""
    names = ("all", "any", "none")
    parts = {name: [_condition(part, inputs, room) for part in getattr(when, name) or ()] for name in names}
    given = when.value
    value = [_value(one, inputs, room) for one in given] if isinstance(given, list) else _value(given, inputs, room)
    filled: dict[str, Any] = {name: found for name, found in parts.items() if found}
    try:
        return msgspec.convert(msgspec.to_builtins(replace(when, value=value, **filled)), Filter)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{error}: a condition compares with one value, or with a list of them") from None


def _value(value: Any, inputs: Mapping[str, Any], room: Room) -> Any:
    if not isinstance(value, str) or "{{" not in value or "inputs." not in value:
        return value
    return fill({"value": value}, {"inputs": inputs}, room)["value"]


def unused(steps: Sequence[StepSpec], inputs: Mapping[str, Any]) -> list[str]:
    """The inputs that no step uses."""
    text = msgspec.json.encode(steps).decode()
    return [name for name in inputs if f"inputs.{name}" not in text]
