"""JSON Schema of a definition's inputs, given as type names or as schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.definitions import Inputs

__all__ = ["WORDS", "input_schema"]

WORDS: Mapping[str, Mapping[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array"},
    "dict": {"type": "object"},
    "any": {},
}


def input_schema(inputs: Inputs) -> dict[str, Any]:
    """Return the JSON Schema of all inputs. Raises `InvalidInput` for an unknown type name."""
    properties = {name: _schema(name, given) for name, given in inputs.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name, schema in properties.items() if "default" not in schema],
        "additionalProperties": False,
    }


def _schema(name: str, given: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, str):
        return dict(given)
    if given not in WORDS:
        field = f"inputs.{name}"
        raise InvalidInput(
            f"{field}: there is no type {given!r}; use {', '.join(WORDS)}, or a JSON Schema", field=field
        )
    return dict(WORDS[given])
