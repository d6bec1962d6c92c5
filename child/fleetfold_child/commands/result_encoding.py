"""Encoding of a handler's value: a result that can be sent, or an outcome that says why not.

A value that cannot be sent is no failure of the action, whose effect stands. Only a transactional action is rolled
back, because the value is checked before the commit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from fleetfold_child.commands.actions import AnyAction
from fleetfold_child.commands.outcomes import CommandOutcome
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.exception_text import exception_text
from fleetfold_shared.messages import CommandResult
from fleetfold_shared.values import check_value

__all__ = ["MOST_UNSENT_BYTES", "returned", "without_result"]

MOST_UNSENT_BYTES = 16 * 1024**2
"""Most bytes of JSON of a result that is too large to send, but is stored in the ledger for its rollback."""
_STANDS = "the action ran and its effect stands; its result could not be carried"
_UNDONE = "its result could not be carried, so nothing was committed"


def returned(value: Any, action: AnyAction, max_bytes: int, *, compensating: bool = False) -> CommandOutcome:
    """Convert the handler's value to a result of at most `max_bytes` of JSON: `ok`.

    A value that cannot be sent is `failed` for a transactional action, which is rolled back; otherwise `no_result`,
    with the part of it that a rollback may use. The result of a compensation is not read: it is `ok` without one.
    """
    try:
        plain = _plain(value)
        size = len(msgspec.json.encode(plain))
    except InvalidInput as reason:
        why = reason.message
    except Exception as reason:  # noqa: BLE001  # a value's own code may raise anything while it is encoded
        why = f"it cannot be said in JSON: {exception_text(reason) or type(reason).__name__}"
    else:
        if size <= max_bytes:
            return CommandOutcome("ok", plain)
        why = f"it is {size} bytes of JSON; at most {max_bytes} can travel"
    if compensating:
        return CommandOutcome("ok")
    if action.info.kind == "transactional":
        return CommandOutcome("failed", error=f"{_UNDONE}: {why}")
    return CommandOutcome("no_result", error=f"{_STANDS}: {why}", unsent=_known_parts(value))


def without_result(result: CommandResult, why: str) -> CommandResult:
    """Return the result without its value, which the broker does not accept."""
    if result.outcome != "ok":
        return msgspec.structs.replace(result, result=None, error=f"{result.outcome}: {why}")
    return msgspec.structs.replace(result, outcome="no_result", result=None, error=f"{_STANDS}: {why}")


def _plain(value: Any) -> Any:
    """Convert the value to JSON's types. Raises for values that JSON cannot represent exactly."""
    plain = msgspec.to_builtins(value, str_keys=True)
    check_value(plain, "result")
    if len(msgspec.json.encode(plain)) != len(msgspec.json.encode(value)):  # which writes one of the keys twice
        raise InvalidInput("result: two keys of an object are the same in JSON, as 1 and '1' are; rename one")
    return plain


def _known_parts(value: Any) -> Any:
    """Return the value, if it is only too large; otherwise those of its fields that JSON can represent, if any.

    Raises nothing: the handler has returned, so an error of its value is not a failure of the handler.
    """
    try:
        plain = _plain_or_none(value) or _plain_fields(value)
        return plain if plain and len(msgspec.json.encode(plain)) <= MOST_UNSENT_BYTES else None
    except Exception:  # noqa: BLE001  # a value's own code may raise anything
        return None


def _plain_or_none(value: Any) -> Any:
    try:
        return _plain(value)
    except Exception:  # noqa: BLE001  # as above; the outcome reports it
        return None


def _plain_fields(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in _fields(value).items():
        found |= _plain_or_none({name: inner}) or {}
    return found


def _fields(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, msgspec.Struct):
        return dict(zip(value.__struct_encode_fields__, msgspec.structs.astuple(value), strict=True))
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {}
