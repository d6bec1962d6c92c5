"""Check that the first parameter of a function is the context."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any

from fleetfold_child.commands.context import Context
from fleetfold_shared.errors import InvalidInput

__all__ = ["check_context"]

_NAMES = frozenset({"ctx", "context", "c", ""})


def check_context(function: Callable[..., Any], parameters: Sequence[inspect.Parameter], name: str) -> None:
    """Raise `InvalidInput` for a function that would get the context for something else.

    A first parameter with a type must have the context's; one without must be called `ctx` or `context`.
    """
    first = parameters[0] if parameters else None
    if first is not None and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        if first.annotation is first.empty:
            if first.name.strip("_").lower() in _NAMES:
                return
        elif _takes_context(_type(function, first)):
            return
    written = getattr(function, "__name__", name)
    found = f", not {first}" if first is not None else ""
    raise InvalidInput(
        f"{name}: its first parameter must be the context{found}; write async def {written}(ctx: Context, ...)"
    )


def _type(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Return the parameter's type, or its name where the type is not known at run time."""
    try:
        return typing.get_type_hints(function)[parameter.name]
    except Exception:  # noqa: BLE001 - an annotation may be any expression, also one that cannot be evaluated
        return parameter.annotation


def _takes_context(kind: Any) -> bool:
    if isinstance(kind, str):
        return kind.rpartition(".")[2].strip("'\" ").startswith("Context")
    if kind in (Any, object) or isinstance(kind, typing.TypeVar):
        return True
    members = typing.get_args(kind)
    if members and not isinstance(kind, type):
        return any(_takes_context(one) for one in members)
    return isinstance(kind, type) and (issubclass(kind, Context) or getattr(kind, "_is_protocol", False))
