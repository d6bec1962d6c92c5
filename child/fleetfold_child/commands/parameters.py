"""Parameters of an action, read from its signature: checked by name, described by JSON Schema."""

from __future__ import annotations

import copy
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetfold_child.commands.context_check import check_context
from fleetfold_shared.errors import InvalidInput

__all__ = ["Parameters"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of an action after its context.

    `schema` is a JSON Schema (2020-12) of an object. Nothing is coerced: a string is not a number.
    """

    action: str
    names: tuple[str, ...]
    required: frozenset[str]
    schema: dict[str, Any]
    kind: type[msgspec.Struct]

    @classmethod
    def of(cls, function: Callable[..., Any], action: str) -> Parameters:
        """Read the signature of `function`, whose first parameter is the context. Raises `InvalidInput` for an unusable
        one.
        """
        fields = _fields(function, action)
        kind = msgspec.defstruct(action, fields, kw_only=True, forbid_unknown_fields=True, frozen=True)
        required = frozenset(field[0] for field in fields if len(field) == 2)
        return cls(action, tuple(field[0] for field in fields), required, _schema(kind, action), kind)

    def decode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Convert `params` to typed keyword arguments, with defaults. Raises `InvalidInput` for the one that is
        wrong.
        """
        for name in params:
            if name not in self.names:
                takes = f"it takes {', '.join(self.names)}" if self.names else "it takes none"
                raise InvalidInput(f"{name}: {self.action} has no such parameter; {takes}", field=name)
        for name in self.names:
            if name in self.required and name not in params:
                raise InvalidInput(f"{name}: {self.action} needs this parameter", field=name)
        try:
            typed = msgspec.convert(params, self.kind, str_keys=True)
        except msgspec.ValidationError as error:
            what, _, path = str(error).partition(" - at `$.")
            field = path.rstrip("`")
            raise InvalidInput(f"{field}: {what}", field=field) from None
        return {name: getattr(typed, name) for name in self.names}

    def accept(self, function: Callable[..., Any], role: str) -> frozenset[str]:
        """Return which of these parameters `function` takes after its context. Raises `InvalidInput` for others."""
        wanted = frozenset(parameter.name for parameter in _after_context(function, role))
        if unknown := sorted(wanted - set(self.names)):
            raise InvalidInput(f"{role}: takes {unknown[0]!r}, which is no parameter of {self.action}")
        return wanted


def _fields(function: Callable[..., Any], action: str) -> list[tuple[Any, ...]]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise InvalidInput(
            f"{action}: the type {error.name!r} in its signature is not known at run time; import it at the top of "
            "the module, outside of TYPE_CHECKING"
        ) from None
    fields: list[tuple[Any, ...]] = []
    for parameter in _after_context(function, action):
        if parameter.name not in hints:
            raise InvalidInput(f"{action}: its parameter {parameter.name!r} needs a type")
        default = () if parameter.default is parameter.empty else (_default(parameter.default),)
        fields.append((parameter.name, hints[parameter.name], *default))
    return fields


def _after_context(function: Callable[..., Any], name: str) -> Iterable[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    check_context(function, parameters, name)
    for parameter in parameters[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InvalidInput(f"{name}: {parameter} cannot be passed by name; give each parameter a name")
    return parameters[1:]


def _default(value: Any) -> Any:
    if isinstance(value, list | dict | set):
        return msgspec.field(default_factory=lambda: copy.deepcopy(value))
    return value


def _schema(kind: type[msgspec.Struct], action: str) -> dict[str, Any]:
    """Return the schema: an object, with its references in `$defs`."""
    try:
        (top,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    except TypeError as error:
        raise InvalidInput(f"{action}: a parameter's type cannot be said in JSON: {error}") from None
    schema = dict(components.pop(top["$ref"].removeprefix("#/$defs/")))
    return {**schema, "$defs": components} if components else schema
