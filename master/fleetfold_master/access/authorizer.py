"""The authorizer: the caller's identity, its role's verbs, and its scopes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import Capability, Role, Scopes
from fleetfold_shared.verbs import VERBS, Verb, reach, verbs_of

__all__ = ["Authorizer", "Directory", "LookAgain", "OpenAuthorizer", "Principal", "not_again"]


class Principal(msgspec.Struct, frozen=True):
    """An identity as the master knows it. An empty scope permits everything; a node's scope is itself."""

    name: str
    role: Role
    scopes: Scopes = Scopes()
    capabilities: frozenset[Capability] = frozenset()

    def may_node(self, name: str) -> bool:
        """Whether a node is in scope."""
        return name == self.name if self.role == "child" else _within(name, self.scopes.nodes)

    def may_action(self, name: str) -> bool:
        """Whether an action is in scope."""
        return _within(name, self.scopes.actions)

    def may_collection(self, name: str) -> bool:
        """Whether a collection is in scope."""
        return _within(name, self.scopes.collections)

    def narrow(self, nodes: Iterable[str]) -> list[str]:
        """The nodes in scope: what «all» means to this identity."""
        return [name for name in nodes if self.may_node(name)]

    def need_node(self, name: str, field: str = "node") -> None:
        """Raise `Forbidden`, naming `field`, if the node is out of scope."""
        if not self.may_node(name):
            raise self._outside("node", name, field)

    def need_action(self, name: str, field: str = "action") -> None:
        """Raise `Forbidden`, naming `field`, if the action is out of scope."""
        if not self.may_action(name):
            raise self._outside("action", name, field)

    def need_collection(self, name: str, field: str = "collections") -> None:
        """Raise `Forbidden`, naming `field`, if the collection is out of scope."""
        if not self.may_collection(name):
            raise self._outside("collection", name, field)

    def may_grant(self, role: Role, scopes: Scopes) -> bool:
        """Whether a key of that role and scopes would permit nothing beyond this identity's own permissions."""
        return verbs_of(role) <= verbs_of(self.role) and _contains(self.scopes, scopes)

    def need_grant(self, role: Role, scopes: Scopes, field: str) -> None:
        """Raise `Forbidden`, naming `field`, if a key of that role and scopes would permit more than this identity
        has."""
        if not self.may_grant(role, scopes):
            raise Forbidden(
                f"{field}: {self.name!r} may not hand out, replace or end a key that may do more than itself; "
                "ask an admin with wider scopes",
                field=field,
            )

    def need_whole_fleet(self, verb: Verb[Any, Any]) -> None:
        """Raise `Forbidden` if the identity has any scope: `verb` concerns the whole fleet."""
        if self.scopes != Scopes():
            raise Forbidden(f"{verb.name}: it concerns the whole fleet, and {self.name!r} has scopes; use one without")

    def _outside(self, kind: str, name: str, field: str) -> Forbidden:
        return Forbidden(f"{field}: the {kind} {name!r} is outside the scope of {self.name!r}", field=field)


Directory = Callable[[str], Principal | None]
"""The identity of a name; None if it does not exist (any more)."""
LookAgain = Callable[[], Awaitable[None]]
"""Reloads identities that other masters may have admitted."""


async def not_again() -> None:
    """Default of `LookAgain`: there are no other masters."""


class Authorizer:
    """Identifies and authorizes callers. A caller that it does not know may be known after `look_again`."""

    def __init__(self, directory: Directory, look_again: LookAgain = not_again) -> None:
        self._directory, self.look_again = directory, look_again

    def knows(self, caller: str) -> bool:
        """Whether the identity is known to this master; another one may have admitted it just now."""
        return self._directory(caller) is not None

    def principal(self, caller: str) -> Principal:
        """The identity behind an authenticated name. Raises `Forbidden` if it no longer exists."""
        principal = self._directory(caller)
        if principal is None:
            raise Forbidden(f"{caller!r} is no identity of this fleet, or not any more; get new credentials")
        return principal

    def check(self, principal: Principal, verb: str) -> None:
        """Raise `Forbidden` if the role does not permit the verb."""
        if reach(principal.role, verb) is None:
            holders = [role for role in VERBS[verb].roles if role != "master"] if verb in VERBS else []
            raise Forbidden(
                f"{verb}: {principal.name!r} is {_a(principal.role)}; this takes {' or '.join(map(_a, holders))}"
            )


class OpenAuthorizer(Authorizer):
    """The authorizer without authentication: every caller is an admin, and may join as well."""

    def __init__(self) -> None:
        super().__init__(lambda caller: Principal(caller, "admin"))

    def check(self, principal: Principal, verb: str) -> None:
        """Permit every verb."""


def _within(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _contains(wide: Scopes, narrow: Scopes) -> bool:
    return (
        _covers(wide.nodes, narrow.nodes)
        and _covers(wide.actions, narrow.actions)
        and _covers(wide.collections, narrow.collections)
    )


def _covers(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    """Whether a pattern covers another: it matches the other's text, in which only its own `*` can match a `*`."""
    if not wide:
        return True
    return bool(narrow) and all(_within(pattern, wide) for pattern in narrow)


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"
