"""Matching of expressions against nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from fleetfold_shared.messages.nodes import NodeRecord
from fleetfold_shared.query.where.terms import NUMBERS, And, Attribute, Comparison, Has, Label, Not, Or, Term, labels_in
from fleetfold_shared.query.where.version_order import version_of

__all__ = ["choose", "matches", "missing_labels"]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_NEGATED = {"!=": "=", "!~": "~", "not in": "in"}


def choose(term: Term, nodes: Iterable[NodeRecord]) -> list[NodeRecord]:
    """Return the nodes that match, in their order."""
    return [node for node in nodes if matches(term, node)]


def matches(term: Term, node: NodeRecord) -> bool:
    """Tell whether the node matches."""
    match term:
        case And(terms):
            return all(matches(inner, node) for inner in terms)
        case Or(terms):
            return any(matches(inner, node) for inner in terms)
        case Not(inner):
            return not matches(inner, node)
        case Has():
            return _has(term, node)
        case Comparison(_, sign, _) if sign in _NEGATED:
            return not _holds(term, _NEGATED[sign], node)
        case Comparison(_, sign, _):
            return _holds(term, sign, node)


def missing_labels(term: Term, nodes: Iterable[NodeRecord]) -> list[str]:
    """Return the labels in the expression that no node has, which are probably misspelt."""
    known = {label for node in nodes for label in node.description.labels}
    return [label for label in dict.fromkeys(labels_in(term)) if label not in known]


def _has(term: Has, node: NodeRecord) -> bool:
    said = node.description
    match term.what:
        case Label(name):
            return name in said.labels
        case "actions":
            return bool(said.actions)
        case "action":
            return any(info.name == term.name for info in said.actions)
        case "collections":
            return bool(said.collections)
        case "collection":
            return any(info.name == term.name for info in said.collections)
        case "answers":
            return said.answers


def _holds(test: Comparison, sign: str, node: NodeRecord) -> bool:
    held = _value(test.key, node)
    if held is None:
        return False
    if sign == "~":
        return _fits(str(held), test.values[0])
    if sign == "in":
        return any(_compare(test.key, "=", held, value) for value in test.values)
    return _compare(test.key, sign, held, test.values[0])


def _compare(key: Attribute | Label, sign: str, held: str | float, value: str) -> bool:
    """Compare a node's value with that of the expression. A version that cannot be parsed equals none and has no
    order.
    """
    if key in NUMBERS:
        return _ORDER[sign](held, float(value))
    if key == "version":
        left, right = version_of(str(held)), version_of(value)
        return left is not None and right is not None and _ORDER[sign](left, right)
    return _ORDER[sign](held, value)


def _value(key: Attribute | Label, node: NodeRecord) -> str | float | None:
    said = node.description
    match key:
        case Label(name):
            return said.labels.get(name)
        case "name":
            return node.name
        case "type":
            return said.type
        case "state":
            return node.state
        case "status":
            return "healthy" if node.healthy else "unhealthy"
        case "version":
            return said.version
        case "weight":
            return said.weight
        case "documents":
            return sum(collection.documents for collection in said.collections)
        case "in_flight":
            return node.in_flight


def _fits(text: str, pattern: str) -> bool:
    """Match the text with a pattern in which `*` is any run of characters. Takes linear time, unlike a regex."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == first
    *middle, last = rest
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
