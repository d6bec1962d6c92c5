"""Who asks, and what he may: a role that has the verb, within the scopes that narrow it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from fleetfold_master.access.roles import TABLE, reach, verbs_of
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import Capability, Role, Scopes

__all__ = ["Authorizer", "Directory", "OpenAuthorizer", "Principal"]


class Principal(msgspec.Struct, frozen=True):
    """An identity as the master knows it. An empty scope is everything; a child's is itself."""

    name: str
    role: Role
    scopes: Scopes = Scopes()
    capabilities: frozenset[Capability] = frozenset()

    def may_node(self, name: str) -> bool:
        """Whether a node is within its scope."""
        return name == self.name if self.role == "child" else _within(name, self.scopes.nodes)

    def may_action(self, name: str) -> bool:
        """Whether an action is within its scope."""
        return _within(name, self.scopes.actions)

    def may_collection(self, name: str) -> bool:
        """Whether a collection is within its scope."""
        return _within(name, self.scopes.collections)

    def narrow(self, nodes: Iterable[str]) -> list[str]:
        """The nodes that are within its scope: what «all» means to it."""
        return [name for name in nodes if self.may_node(name)]

    def need_node(self, name: str, field: str = "node") -> None:
        """`Forbidden` naming `field` when the node is outside of its scope."""
        if not self.may_node(name):
            raise self._outside("node", name, field)

    def need_action(self, name: str, field: str = "action") -> None:
        """`Forbidden` naming `field` when the action is outside of its scope."""
        if not self.may_action(name):
            raise self._outside("action", name, field)

    def need_collection(self, name: str, field: str = "collections") -> None:
        """`Forbidden` naming `field` when the collection is outside of its scope."""
        if not self.may_collection(name):
            raise self._outside("collection", name, field)

    def may_grant(self, role: Role, scopes: Scopes) -> bool:
        """Whether that role with those scopes may do nothing that this one may not."""
        return verbs_of(role) <= verbs_of(self.role) and _contains(self.scopes, scopes)

    def need_grant(self, role: Role, scopes: Scopes, field: str) -> None:
        """`Forbidden` naming `field` when a key of that role and those scopes would be wider than itself."""
        if not self.may_grant(role, scopes):
            raise Forbidden(
                f"{field}: {self.name!r} may not hand out, replace or end a key that may do more than itself; "
                "ask an admin with wider scopes",
                field=field,
            )

    def need_whole_fleet(self, verb: str) -> None:
        """`Forbidden` when it has any scope: `verb` concerns everybody."""
        if self.scopes != Scopes():
            raise Forbidden(f"{verb}: it concerns the whole fleet, and {self.name!r} has scopes; use one without")

    def _outside(self, kind: str, name: str, field: str) -> Forbidden:
        return Forbidden(f"{field}: the {kind} {name!r} is outside the scope of {self.name!r}", field=field)


Directory = Callable[[str], Principal | None]
"""The identity of a name; `None` when there is none, or not any more."""


class Authorizer:
    """Says who a caller is and whether it may. `look_again` has it known who has come to be known to another master."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.look_again: Callable[[], Awaitable[None]] = _nowhere

    def knows(self, caller: str) -> bool:
        """Whether there is such an identity now, as far as this master knows: another may have let it in just now."""
        return self._directory(caller) is not None

    def principal(self, caller: str) -> Principal:
        """The identity behind a name that the broker has vouched for; `Forbidden` if the fleet has none such now."""
        principal = self._directory(caller)
        if principal is None:
            raise Forbidden(f"{caller!r} is no identity of this fleet, or not any more; get new credentials")
        return principal

    def check(self, principal: Principal, verb: str) -> None:
        """`Forbidden` when its role has not the verb."""
        if reach(principal.role, verb) is None:
            holders = [role for role in TABLE[verb].reach if role != "master"] if verb in TABLE else []
            raise Forbidden(
                f"{verb}: {principal.name!r} is {_a(principal.role)}; this takes {' or '.join(map(_a, holders))}"
            )


class OpenAuthorizer(Authorizer):
    """Without identities: whoever asks is an admin and may do everything, to join as well."""

    def __init__(self) -> None:
        super().__init__(lambda caller: Principal(caller, "admin"))

    def check(self, principal: Principal, verb: str) -> None:
        """Nothing is forbidden."""


async def _nowhere() -> None:
    """There is no other master."""


def _within(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _contains(wide: Scopes, narrow: Scopes) -> bool:
    return (
        _covers(wide.nodes, narrow.nodes)
        and _covers(wide.actions, narrow.actions)
        and _covers(wide.collections, narrow.collections)
    )


def _covers(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    """A pattern lies within another that matches its text: the `*` in it can only fall to a `*` of the other."""
    if not wide:
        return True
    return bool(narrow) and all(_within(pattern, wide) for pattern in narrow)


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"
