"""An action's parameters, read back from its JSON Schema: `reserve_stock(sku: string, quantity: integer = 1)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fleetfold_shared.messages import ActionInfo

__all__ = ["signature"]


def signature(action: ActionInfo) -> str:
    """The action as one would call it; types in JSON Schema's words."""
    top = _top(action.schema)
    required = top.get("required", [])
    parameters = [_parameter(name, part, name in required) for name, part in top.get("properties", {}).items()]
    return f"{action.name}({', '.join(parameters)})"


def _top(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object itself, which may stand under `$defs`."""
    top: Mapping[str, Any] = schema.get("$defs", {}).get(_name(schema), schema)
    return top


def _parameter(name: str, part: Mapping[str, Any], required: bool) -> str:
    default = (
        "" if required else f" = {msgspec.json.encode(part['default']).decode()}" if "default" in part else " = ..."
    )
    return f"{name}: {_type(part)}{default}"


def _type(part: Mapping[str, Any]) -> str:
    if choices := part.get("anyOf", part.get("oneOf")):
        return " | ".join(map(_type, choices))
    if "enum" in part:
        return " | ".join(msgspec.json.encode(value).decode() for value in part["enum"])
    if part.get("type") == "array" and isinstance(part.get("items"), dict):
        return f"array of {_type(part['items'])}"
    kind = part.get("type", _name(part) or "any")
    return kind if isinstance(kind, str) else " | ".join(kind)


def _name(part: Mapping[str, Any]) -> str:
    return str(part.get("$ref", "")).removeprefix("#/$defs/")
