"""Scoping: limits requests and answers to the nodes and collections in the caller's scopes.

A name outside of the scopes is rejected with `Forbidden`; «all» means all in scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.nodes import Registry
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.errors import Forbidden, NotFound
from fleetfold_shared.messages import Job, Run, Search, StepSpec, Transact, TransactionView
from fleetfold_shared.verbs import Verb

__all__ = [
    "MOST_LOOKED_AT",
    "asked_nodes",
    "check_run",
    "check_steps",
    "check_transact",
    "check_visible",
    "narrow_search",
    "no_node",
    "node_in_scope",
    "sees_all",
    "visible",
]

COLLECTION_ACTIONS = frozenset({"delete", "index", "sync", "update"})
"""The built-in actions of every node; each works on the collection named by its parameter `collection`."""

MOST_LOOKED_AT = 1000
"""How many of the newest jobs or transactions are searched for those that a caller with scopes may see."""

V = TypeVar("V", Job, TransactionView)


def node_in_scope(
    registry: Registry, name: str, principal: Principal, field: str = "node", *, pending: bool = False
) -> StoredNode:
    """The node, if it is in the caller's scope. `NotFound` lists only names in scope."""
    principal.need_node(name, field)
    try:
        return registry.get(name, pending=pending)
    except NotFound:
        raise no_node(name, principal.narrow(node.name for node in registry.all())) from None


def no_node(name: str, known: Sequence[str]) -> NotFound:
    """The `NotFound` error for a name, listing the `known` ones."""
    return NotFound(
        f"node: there is no {name!r} in the fleet; there are: {', '.join(known) or 'none yet'}", field="node"
    )


def narrow_search(ask: Search, principal: Principal, nodes: Sequence[StoredNode]) -> Search | None:
    """Reduce the query to the caller's scope. Returns None if nothing is left to search."""
    for name in asked_nodes(ask):
        principal.need_node(name, "nodes")
    for name in ask.among:
        principal.need_node(name, "among")
    for name in ask.collections:
        principal.need_collection(name)
    if principal.scopes.nodes and not asked_nodes(ask) and not ask.among:
        ask = replace(ask, among=principal.narrow(node.name for node in nodes))
        if not ask.among:
            return None
    if principal.scopes.collections and not ask.collections:
        ask = replace(ask, collections=_collections(ask, principal, nodes))
        if not ask.collections:
            return None
    return ask


def asked_nodes(ask: Search) -> list[str]:
    """The nodes that the query names; empty if the choice is left to the master."""
    return ask.nodes if isinstance(ask.nodes, list) else []


def check_run(ask: Run, principal: Principal) -> None:
    """Raise `Forbidden`, naming the field that is outside of the caller's scope."""
    principal.need_action(ask.action)
    for name in ask.nodes:
        principal.need_node(name, "nodes")
    _check_collection(ask.action, ask.params, principal, "params")


def check_transact(ask: Transact, principal: Principal) -> None:
    """Raise `Forbidden`, naming the step and the field outside of the caller's scope."""
    check_steps(ask.steps, principal)


def check_steps(steps: Iterable[StepSpec], principal: Principal) -> None:
    """The same check for a list of steps."""
    for step in steps:
        where = f"steps.{step.name}"
        principal.need_node(step.node, f"{where}.node")
        principal.need_action(step.action, f"{where}.action")
        _check_collection(step.action, step.params, principal, f"{where}.params")
        if step.rollback is not None:
            principal.need_action(step.rollback.action, f"{where}.rollback.action")
            _check_collection(step.rollback.action, step.rollback.params, principal, f"{where}.rollback.params")


def sees_all(principal: Principal, verb: Verb[Any, Any]) -> bool:
    """Whether `verb` shows the caller everybody's jobs or transactions on all nodes."""
    return not principal.scopes.nodes and verb.roles.get(principal.role) != "own"


def visible(record: V, principal: Principal, verb: Verb[Any, Any]) -> bool:
    """Whether `verb` shows the record: all its nodes are in scope, and it is the caller's own unless the role sees
    all."""
    if verb.roles.get(principal.role) == "own" and record.caller != principal.name:
        return False
    return all(map(principal.may_node, _nodes(record)))


def check_visible(record: V, principal: Principal, verb: Verb[Any, Any]) -> V:
    """Return the record. Raises `Forbidden` if `verb` does not show it to the caller."""
    if not visible(record, principal, verb):
        raise Forbidden(f"id: {record.id!r} is not for {principal.name!r} to see", field="id")
    return record


def _nodes(record: Job | TransactionView) -> Iterable[str]:
    return (part.node for part in (record.nodes if isinstance(record, Job) else record.steps))


def _collections(ask: Search, principal: Principal, nodes: Sequence[StoredNode]) -> list[str]:
    names = asked_nodes(ask) or ask.among
    asked = [node for node in nodes if not names or node.name in names]
    there = {collection.name for node in asked for collection in node.description.collections}
    return sorted(name for name in there if principal.may_collection(name))


def _check_collection(action: str, params: Mapping[str, Any], principal: Principal, where: str) -> None:
    """Check the collection parameter. A reference such as `{{steps.a.name}}` could become any: it is out of scope."""
    if action not in COLLECTION_ACTIONS or not principal.scopes.collections or "collection" not in params:
        return
    name = params["collection"]
    if not isinstance(name, str) or "{{" in name:
        raise Forbidden(
            f"{where}.collection: {principal.name!r} must name the collection outright, for it has a scope of them",
            field=f"{where}.collection",
        )
    principal.need_collection(name, f"{where}.collection")
