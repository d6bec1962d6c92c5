"""`Binding`: a verb of the table with the handler that answers it; `bind` checks that every verb has one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from fleetfold_broker.rpc.streamed_reply import Say, silent
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_shared.messages import Message
from fleetfold_shared.verbs import VERBS, Verb

__all__ = ["Binding", "BindingError", "Bindings", "VerbGroup", "bind"]

Takes = TypeVar("Takes", bound=Message)
Gives = TypeVar("Gives", bound=Message)


class BindingError(Exception):
    """The handlers do not match the verb table: add the handler, or the row of `fleetfold_shared.verbs`."""


@dataclass(frozen=True, slots=True)
class Binding(Generic[Takes, Gives]):
    """A verb with its handler: `handle`, or for a verb that streams parts of its reply, `stream`.

    `touches` returns the audit subject. It is called with the request and the reply, or None if the request was denied
    or failed; it returns None if there is nothing to audit.
    """

    verb: Verb[Takes, Gives]
    handle: Callable[[Takes, Principal], Awaitable[Gives]] | None = None
    touches: Callable[[Takes, Any], AuditSubject | None] | None = None
    stream: Callable[[Takes, Principal, Say], Awaitable[Gives]] | None = None

    def answer(self, ask: Takes, who: Principal, say: Say = silent) -> Awaitable[Gives]:
        """Call the handler. Parts of the reply are given to `say`."""
        if self.stream is not None:
            return self.stream(ask, who, say)
        assert self.handle is not None
        return self.handle(ask, who)


Bindings = Mapping[str, Binding[Any, Any]]
"""Bindings by the names of their verbs."""


class VerbGroup(Protocol):
    """The handlers of one area."""

    def bindings(self) -> tuple[Binding[Any, Any], ...]: ...


def bind(groups: Iterable[VerbGroup], table: Mapping[str, Verb[Any, Any]] = VERBS) -> Bindings:
    """Return the handler of every verb of `table`. Raises `BindingError`, naming the verbs, if they do not match."""
    given = [binding for group in groups for binding in group.bindings()]
    bound = {binding.verb.name: binding for binding in given}
    if wrong := "; ".join([*_mismatches(given, bound, table)]):
        raise BindingError(f"{wrong}: handlers and the verb table must match")
    return bound


def _mismatches(given: list[Binding[Any, Any]], bound: Bindings, table: Mapping[str, Verb[Any, Any]]) -> Iterator[str]:
    yield from (f"{name} has no handler" for name in table if name not in bound)
    handlers = Counter(binding.verb.name for binding in given)
    yield from (f"{name} has {number} handlers" for name, number in handlers.items() if number > 1)
    for name, binding in bound.items():
        verb = binding.verb
        if table.get(name) is not verb:
            yield f"{name} has a handler and is not in the table"
        if (verb.streams is None, verb.streams is not None) != (binding.stream is None, binding.handle is None):
            yield f"{name} needs {'handle' if verb.streams is None else 'stream'}, and only that"
        if (verb.audit == "denials") != (binding.touches is None):
            yield f"{name} needs {'no audit subject' if verb.audit == 'denials' else 'an audit subject'}"
