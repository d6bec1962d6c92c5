"""`Verb`: the declaration of one request of the API, without its handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar

import msgspec

from fleetfold_shared.messages import Message, Role

__all__ = [
    "ADMINS", "CLIENTS", "NOBODY", "OPERATORS", "PUBLISHERS", "READERS", "ROLES", "Audit", "Reach", "Scope", "Verb",
    "allow",
]  # fmt: skip

Takes = TypeVar("Takes", bound=Message)
Gives = TypeVar("Gives", bound=Message)

Reach = Literal["all", "own"]
"""`own` limits a role to what the identity has started itself, or is."""

Scope = Literal["none", "named", "grant", "fleet"]
"""What the caller's scopes limit.

`none`: the request has nothing that scopes limit. `named`: nodes, actions and collections that it names must be in
scope, and lists and «all» are narrowed. `grant`: a key must not be wider than the caller's own permissions. `fleet`: it
concerns the whole fleet, so callers with scopes are denied.
"""

Audit = Literal["denials", "committed", "buffered"]
"""What the audit log records. `denials`: only requests that were denied. `committed`: also successes and failures; the
entry is committed before the reply. `buffered`: the same, but the entry is written shortly after the reply, because the
change itself is in the store, or there is none.
"""

ROLES: tuple[Role, ...] = ("reader", "publisher", "operator", "admin", "child", "master")
NOBODY: tuple[Role, ...] = ()
CLIENTS: tuple[Role, ...] = ("reader", "publisher", "operator", "admin")
READERS: tuple[Role, ...] = ("reader", "operator", "admin")
PUBLISHERS: tuple[Role, ...] = ("publisher", "operator", "admin")
OPERATORS: tuple[Role, ...] = ("operator", "admin")
ADMINS: tuple[Role, ...] = ("admin",)


class Verb(msgspec.Struct, Generic[Takes, Gives], frozen=True, eq=False):
    """A request `fleet.api.<caller>.<name>`: its messages, and the rules that apply to it.

    `about` is one sentence. `streams` is the type of the parts that precede the reply if the caller accepts parts.
    `safe`: it changes nothing. `idempotent`: repeated, it has the effect of one request; all safe verbs are.
    """

    name: str
    takes: type[Takes]
    gives: type[Gives]
    about: str
    roles: Mapping[Role, Reach]
    scope: Scope = "none"
    audit: Audit = "denials"
    streams: type[Message] | None = None
    safe: bool = False
    idempotent: bool = False

    @property
    def area(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


def allow(roles: tuple[Role, ...], *, own: Role | None = None) -> Mapping[Role, Reach]:
    """Return the reach of `roles`, of one role that is limited to its `own`, and of masters, who may do everything."""
    reach: dict[Role, Reach] = {role: "all" for role in ROLES if role in roles or role == "master"}
    return reach if own is None else {**reach, own: "own"}
