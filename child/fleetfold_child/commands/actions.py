"""Actions of a node: typed async functions, and their registry.

    @action(kind="transactional", timeout=30)
    async def reserve_stock(ctx: Context, sku: str, quantity: int = 1) -> Reserved: ...

Kinds, by what happens when the node dies while one runs:
- `transactional`: what it wrote through `ctx.tx` is undone, and it runs again: the effect happens exactly once. With
  `database=` that holds in a database of the application's, where it writes through `ctx.session` or `ctx.tx`;
- `idempotent`: it runs again; `ctx.key` is the same each time, for targets that recognise a repeated request;
- `once`: it never runs again, and its outcome is `unknown`.
With `check=`, the target is asked instead whether it happened.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from fleetfold_child.commands.action_options import ActionOptions
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.parameters import Parameters
from fleetfold_child.commands.result_type import result_schema
from fleetfold_shared.errors import Conflict, FleetfoldError, InvalidInput
from fleetfold_shared.exception_text import named_text
from fleetfold_shared.ids import check_slug
from fleetfold_shared.messages import ActionInfo, ActionKind, RetryPolicy

__all__ = ["Action", "Actions", "AnyAction", "action"]

P = ParamSpec("P")
R = TypeVar("R")
Handler = Callable[Concatenate[Context, P], Awaitable[R]]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, eq=False)
class Action(Generic[P, R]):
    """An action: a decorated function. Calling it calls the function."""

    info: ActionInfo
    function: Handler[P, R]
    parameters: Parameters
    check: Callable[..., Awaitable[Any]] | None
    check_takes: frozenset[str]
    cancel_grace_s: float = 5.0
    database: str | None = None

    def __call__(self, ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.function(ctx, *args, **kwargs)

    def run(self, ctx: Context, params: Mapping[str, Any]) -> Awaitable[R]:
        """Call the function with the decoded `params`."""
        return self.function(ctx, **params)  # type: ignore[call-arg]  # Parameters has checked what mypy cannot see

    async def happened(self, ctx: Context, params: Mapping[str, Any]) -> Any:
        """Return the result that `check` finds for this key; `None` when there was no effect, or there is no check."""
        if self.check is None:
            return None
        return await self.check(ctx, **{name: params[name] for name in self.check_takes})


# Ten options: the keywords of a decorator are its language, and most actions give one or two of them.
@overload
def action(function: Handler[P, R], /) -> Action[P, R]: ...
@overload
def action(
    *,
    kind: ActionKind = ...,
    timeout: float = ...,
    name: str | None = ...,
    check: Callable[..., Awaitable[Any]] | None = ...,
    destructive: bool = ...,
    slots: int | None = ...,
    heartbeat: float | None = ...,
    retry: RetryPolicy | None = ...,
    cancel_grace: float = ...,
    database: str | None = ...,
) -> Callable[[Handler[P, R]], Action[P, R]]: ...
def action(
    function: Handler[P, R] | None = None,
    /,
    *,
    kind: ActionKind = "idempotent",
    timeout: float = 30.0,
    name: str | None = None,
    check: Callable[..., Awaitable[Any]] | None = None,
    destructive: bool = False,
    slots: int | None = None,
    heartbeat: float | None = None,
    retry: RetryPolicy | None = None,
    cancel_grace: float = 5.0,
    database: str | None = None,
) -> Action[P, R] | Callable[[Handler[P, R]], Action[P, R]]:
    """Make an async function an action, with or without parentheses.

    `timeout` is in seconds. `name` is the function's own by default. `check` is an async function of the context and
    any of the same parameters, called instead of the action after a crash: it returns the result if the target
    knows `ctx.key`, None if it does not. A `destructive` action asks to be confirmed before it runs on all nodes, and
    at most `slots` of it run at once in the whole fleet. One that makes no `ctx.progress` for `heartbeat` seconds is
    timed out. `retry` says how it is tried again on its node, where a call does not say otherwise. A cancelled one may
    go on for `cancel_grace` seconds. `database` names one of the node's `databases`, in which a transactional action
    takes effect; without it that is the node's own file. Raises `InvalidInput` when the function or an option will not
    do.
    """
    options = ActionOptions(kind, timeout, destructive, slots, heartbeat, retry, cancel_grace)

    def decorate(decorated: Handler[P, R]) -> Action[P, R]:
        return _make(decorated, options, name, check, database)

    return decorate if function is None else decorate(function)


def _make(
    function: Handler[P, R],
    options: ActionOptions,
    name: str | None,
    check: Callable[..., Awaitable[Any]] | None,
    database: str | None,
) -> Action[P, R]:
    name = name if name is not None else getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"action: {name!r} is not a usable name; use 1-63 of a-z, 0-9 and '_', a letter first")
    if not inspect.iscoroutinefunction(function):
        raise InvalidInput(f"{name}: an action must be an async function; write 'async def'")
    options.check(name)
    if check is not None and options.kind == "transactional":
        raise InvalidInput(f"{name}: a transactional action needs no check: a crash undoes its effect")
    _check_database(name, options.kind, database)
    parameters = Parameters.of(function, name)
    takes = parameters.accept(check, f"the check of {name}") if check is not None else frozenset[str]()
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    info = ActionInfo(
        name, parameters.schema, options.kind, float(options.timeout), summary,
        options.destructive, options.slots, options.retry, options.heartbeat, result_schema(function, name),
    )  # fmt: skip
    return Action(info, function, parameters, check, takes, float(options.cancel_grace), database)


def _check_database(name: str, kind: ActionKind, database: str | None) -> None:
    if database is None:
        return
    if kind != "transactional":
        raise InvalidInput(f"{name}: database is for actions of kind 'transactional', not {kind!r}")
    if "://" in database:  # never repeated: it may hold a password
        raise InvalidInput(f"{name}: database is a name; give its URL to the node: Child(databases={{'shop': URL}})")
    check_slug(database, f"{name}: database")


AnyAction = Action[Any, Any]


class Actions:
    """Registry of a node's actions, by name."""

    def __init__(self, *sources: AnyAction | ModuleType | Iterable[AnyAction]) -> None:
        self._by_name: dict[str, AnyAction] = {}
        for source in sources:
            self.add(source)

    def add(self, source: AnyAction | ModuleType | Iterable[AnyAction]) -> None:
        """Add one action, a module's actions, or several. Raises `Conflict` when two have one name."""
        for one in _found_in(source):
            if self._by_name.setdefault(one.info.name, one) is not one:
                raise Conflict(f"{one.info.name}: there are two actions of that name; give one another with name=")

    def load(self, target: str) -> None:
        """Add the actions that `module:object` names: an action, a list of them, or a module; `module` alone means all
        of its actions.
        """
        module_name, _, path = target.partition(":")
        found: Any = _import(module_name, target)
        for name in filter(None, path.split(".")):
            if not hasattr(found, name):
                raise InvalidInput(f"actions: {target!r}: {module_name} has no {path!r}", field="actions")
            found = getattr(found, name)
        before = len(self)
        self.add(found)
        if len(self) == before:
            raise InvalidInput(f"actions: {target!r}: no actions in it; decorate them with @action", field="actions")

    def get(self, name: str) -> AnyAction | None:
        """Return the action of that name, if there is one."""
        return self._by_name.get(name)

    def infos(self) -> list[ActionInfo]:
        """Return the descriptions of all actions, sorted by name."""
        return [self._by_name[name].info for name in sorted(self._by_name)]

    def __iter__(self) -> Iterator[AnyAction]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)


def _found_in(source: object) -> Iterator[AnyAction]:
    if isinstance(source, Action):
        yield source
    elif isinstance(source, ModuleType):
        yield from (value for value in vars(source).values() if isinstance(value, Action))
    elif isinstance(source, Iterable) and not isinstance(source, str):
        for one in source:
            yield from _found_in(one)
    else:
        shown = getattr(source, "__name__", repr(source))
        raise InvalidInput(f"actions: {shown[:80]} is not an action; decorate it with @action", field="actions")


def _import(module_name: str, target: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except FleetfoldError:
        raise
    except Exception as error:  # a user's module may raise anything while it is imported
        missing = (
            isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}.")
        )
        why = f"its import failed: {named_text(error)}"
        if missing:
            why = "there is no such module; check the name and the working directory"
        raise InvalidInput(f"actions: {target!r}: {why}", field="actions") from error
