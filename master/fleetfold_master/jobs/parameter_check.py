"""The check of parameters against an action's JSON Schema before anything is sent; errors name the parameter.

The schema comes from a node and is not trusted: external references are not followed, and patterns run in linear
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError, ValidationErrorKind

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionInfo
from fleetfold_shared.templates import placeholders

__all__ = ["check_params"]

_MESSAGE_CHARS = 300  # errors quote the value, which may be a whole document
_ALWAYS = ValidationErrorKind.Required | ValidationErrorKind.AdditionalProperties


def check_params(action: ActionInfo, params: Mapping[str, Any], prefix: str, *, templated: bool = False) -> None:
    """Raise `InvalidInput` for the first of `params` that does not fit the action; `prefix` is put before its name.

    With `templated`, a value with `{{placeholders}}` is accepted where its type is only known once filled in;
    unknown or missing parameters, and text in place of a number, are rejected all the same.
    """
    for error in _validator(msgspec.json.encode(action.schema), action.name).iter_errors(dict(params)):
        if templated and _only_filling_will_tell(error):
            continue
        field, problem = _explain(error, action, prefix)
        raise InvalidInput(f"{field}: {problem}", field=field)


@lru_cache(maxsize=4096)
def _validator(schema: bytes, name: str) -> Draft202012Validator:
    try:
        return Draft202012Validator(
            msgspec.json.decode(schema), retriever=_refuse_to_fetch, pattern_options=RegexOptions()
        )
    except (ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"action {name}: its node gave no usable JSON Schema ({reason}); mend the action") from None


def _refuse_to_fetch(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to {uri}")


def _explain(error: ValidationError, action: ActionInfo, prefix: str) -> tuple[str, str]:
    """The parameter that an error is about, and what is wrong with it."""
    field = _join(prefix, error.instance_path)
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.Required):
        return _join(field, [kind.property]), f"missing; {action.name} needs it"
    if isinstance(kind, ValidationErrorKind.AdditionalProperties):
        known = ", ".join(_parameters(action.schema)) or "none"
        hint = f"; {action.name} takes {known}" if not error.instance_path else ""
        return _join(field, [min(kind.unexpected)]), f"unknown parameter{hint}"
    if isinstance(kind, ValidationErrorKind.AnyOf):
        return (
            field,
            f"{str(error.instance)[:_MESSAGE_CHARS]!r} fits none of the kinds of value that {action.name} takes here",
        )
    return field, error.message[:_MESSAGE_CHARS]


def _join(prefix: str, path: Iterable[str | int]) -> str:
    return ".".join([prefix, *map(str, path)])


def _parameters(schema: Mapping[str, Any]) -> Iterable[str]:
    """The names of the parameters; msgspec puts the object itself under `$defs`."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    top: Mapping[str, Any] = schema.get("$defs", {}).get(name, schema)
    properties: Mapping[str, Any] = top.get("properties", {})
    return properties


def _only_filling_will_tell(error: ValidationError) -> bool:
    if isinstance(error.kind, _ALWAYS):
        return False
    value = error.instance
    if isinstance(error.kind, ValidationErrorKind.Type):  # text around a placeholder stays text
        return isinstance(value, str) and value.count("{{") == 1 and value.startswith("{{") and value.endswith("}}")
    return bool(placeholders({"value": value}))
