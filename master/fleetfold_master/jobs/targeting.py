"""Targeting: the nodes of a run, by name, all, by an expression, any one of them, or a limited number.

The action is checked for each of them before anything is stored or sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import node_in_scope
from fleetfold_master.jobs import check_params
from fleetfold_master.nodes import Registry, action_names, acts, why_not
from fleetfold_master.nodes.least_loaded import LeastLoaded
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.messages import ActionInfo, NodeRecord, Run
from fleetfold_shared.number_or_percent import share_of
from fleetfold_shared.query.where import choose, missing_labels, parse

__all__ = ["Target", "Targeting", "check_confirmed", "those_where"]

DEFAULT_SEED = 0
"""A constant, so that a dry run chooses the same nodes as the run itself."""

_parsed = lru_cache(maxsize=256)(parse)


class Target(NamedTuple):
    """A node to run on, and its own description of the action."""

    node: str
    info: ActionInfo


class Targeting:
    """Chooses among the nodes of the registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._balance = LeastLoaded()

    def choose(self, ask: Run, who: Principal) -> list[Target]:
        """The nodes to run on, in the order in which they begin; never empty.

        Raises `InvalidInput` or `NotFound`, naming the field and the remedy. Nodes chosen by `all` or `where` are
        ordered by name, those chosen with `limit` by their hash.
        """
        _check_choice(ask)
        found = self._named(ask, who) if ask.nodes else self._fitting(ask, who)
        if ask.any:
            found = [self._any_of(found)]
        elif ask.limit is not None:
            found = _limited(found, ask.limit, DEFAULT_SEED if ask.seed is None else ask.seed)
        for target in found:
            check_params(target.info, ask.params, "params")
        return found

    def _named(self, ask: Run, who: Principal) -> list[Target]:
        """The named nodes. For «any of them», inactive ones are skipped if others are active."""
        stored = [node_in_scope(self._registry, name, who, "nodes") for name in dict.fromkeys(ask.nodes)]
        nodes = [self._registry.record(node) for node in stored]
        if ask.any:
            nodes = [node for node in nodes if acts(node, node.failing)] or nodes
        return [_able(node, ask.action) for node in nodes]

    def _fitting(self, ask: Run, who: Principal) -> list[Target]:
        """All active nodes in the caller's scope that have the action and match `where`, if given."""
        term = None if ask.where is None else _parsed(ask.where)
        known = [node for node in self._registry.all() if who.may_node(node.name)]
        records = map(self._registry.record, known)
        active = [node for node in records if acts(node, node.failing)]
        able = [Target(node.name, info) for node in active if (info := _info(node, ask.action)) is not None]
        if not able:
            raise NotFound(
                f"action: no active node has {ask.action!r}: of {_counted(len(known))}, {len(active)} "
                f"{'is' if len(active) == 1 else 'are'} active; see `fleetfold nodes show NAME`",
                field="action",
            )
        if term is None:
            return able
        fitting = {node.name for node in choose(term, active)}
        found = [target for target in able if target.node in fitting]
        if not found:
            missing = missing_labels(term, active)
            raise NotFound(_no_match(ask, len(active), len(able), len(fitting), missing), field="where")
        return found

    def _any_of(self, found: Sequence[Target]) -> Target:
        chosen = self._balance.choose([self._registry.record(self._registry.get(target.node)) for target in found])
        return next(target for target in found if target.node == chosen.name)


def check_confirmed(ask: Run, targets: Sequence[Target]) -> None:
    """Raise `InvalidInput` if a destructive action would run on several nodes that were not named, without
    confirmation."""
    if ask.nodes or ask.confirmed or len(targets) < 2 or not any(target.info.destructive for target in targets):
        return
    raise InvalidInput(
        f"confirmed: {ask.action!r} is destructive and would run on {len(targets)} nodes; `--dry-run` lists them, "
        "`--yes` confirms it",
        field="confirmed",
    )


def those_where(nodes: Iterable[NodeRecord], where: str | None) -> list[NodeRecord]:
    """The nodes that match the expression; all without one."""
    return list(nodes) if where is None else choose(_parsed(where), nodes)


def _check_choice(ask: Run) -> None:
    ways = bool(ask.nodes) + ask.all + (ask.where is not None)
    if ways > 1 or not (ways or ask.any):
        field = "all" if ask.all and not ask.nodes else "nodes"
        raise InvalidInput(
            f"{field}: name the nodes to run on, or all of them, or say where: one of these", field=field
        )
    if ask.any and ask.limit is not None:
        raise InvalidInput("limit: any one node is one already; leave one of the two out", field="limit")
    if ask.limit in {"0", "0%"}:
        raise InvalidInput("limit: none of the nodes would be left; give 1 or more", field="limit")


def _limited(found: Sequence[Target], limit: str, seed: int) -> list[Target]:
    """The first `limit` nodes by a hash of seed and name. With one seed, a smaller limit is a prefix of a larger, and
    a node that joins or leaves does not reorder the others."""
    return sorted(found, key=lambda target: _rank(seed, target.node))[: share_of(limit, len(found))]


def _rank(seed: int, name: str) -> bytes:
    return blake2b(f"{seed} {name}".encode(), digest_size=16).digest()


def _able(node: NodeRecord, action: str) -> Target:
    """Raise unless the named node can run the action."""
    if not acts(node, node.failing):
        raise InvalidInput(f"nodes: {why_not(node)}", field="nodes")
    if (info := _info(node, action)) is None:
        raise NotFound(f"action: {node.name!r} has no {action!r}; it has: {action_names(node)}", field="action")
    return Target(node.name, info)


def _info(node: NodeRecord, action: str) -> ActionInfo | None:
    for info in node.description.actions:
        if info.name == action:
            return info
    return None


def _no_match(ask: Run, active: int, able: int, fitting: int, missing: Sequence[str]) -> str:
    """The error when nothing matches, with the numbers that explain it."""
    if fitting:
        both = f"{fitting} fit it, {able} have {ask.action!r}, and none does both"
        return f"where: of {_counted(active, 'active ')}, {both}"
    hint = f"; none has the label {', '.join(map(repr, missing))}" if missing else "; see `fleetfold nodes list`"
    return f"where: of {_counted(active, 'active ')}, none fits {ask.where!r}{hint}"


def _counted(number: int, kind: str = "") -> str:
    return f"1 {kind}node" if number == 1 else f"{number} {kind}nodes"
