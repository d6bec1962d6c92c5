"""`key=value` arguments: parameters of an action, labels, collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetfold.name_lists import Auto, SearchedNodes
from fleetfold_shared.errors import InvalidInput

__all__ = ["Assignment", "assignment", "labels", "listed", "pair", "searched_nodes", "values"]

_NUMBER = {"integer", "number"}
_DEPTH = 8
"""Limit of nested references in a schema, which comes from a node and could refer to itself."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A command-line word: `key=value`, whose type the action's schema decides, or `key:=JSON`."""

    key: str
    text: str
    untyped: bool


def assignment(word: str) -> Assignment:
    """Parse `key=value` or `key:=JSON`. Raises `InvalidInput`."""
    key, equals, text = word.partition("=")
    untyped = not key.endswith(":")
    key = key.removesuffix(":")
    if not equals or not key:
        raise InvalidInput(f"{word!r} is no parameter: write key=value, or key:=JSON", field="parameters")
    return Assignment(key, text, untyped)


def values(assignments: Iterable[Assignment], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values, typed by an action's JSON Schema if there is one.

    A value is JSON if it parses as JSON and the schema allows its type, else the text itself.
    """
    found: dict[str, Any] = {}
    for given in assignments:
        if given.key in found:
            raise InvalidInput(f"{given.key}: given twice", field=given.key)
        found[given.key] = _loosely(given.text, _types_of(given.key, schema)) if given.untyped else _strictly(given)
    return found


def pair(word: str, option: str) -> tuple[str, str]:
    """Parse `key=value` as two texts. Raises `InvalidInput`, naming the `option`."""
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise InvalidInput(f"{option}: {word!r} is no key=value", field=option)
    return key, value


def by_name(words: Sequence[str], option: str) -> dict[str, str]:
    """Parse several `name=value`. Raises `InvalidInput` for a repeated name."""
    found: dict[str, str] = {}
    for word in words:
        name, value = pair(word, option)
        if name in found:
            raise InvalidInput(f"{option}: {name!r} is given twice", field=option)
        found[name] = value
    return found


def collections(words: Sequence[str]) -> dict[str, str]:
    """The files of several `--collection name=file`, or empty for a name alone."""
    return by_name([word if "=" in word else f"{word}=" for word in words], "collection")


def labels(words: Sequence[str]) -> dict[str, str]:
    """The labels of several `--label key=value`."""
    return dict(pair(word, "label") for word in words)


def listed(words: str | None) -> list[str]:
    """The names of `a,b,c`; none without."""
    return [name for word in (words or "").split(",") if (name := word.strip())]


def _strictly(given: Assignment) -> Any:
    try:
        return msgspec.json.decode(given.text)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{given.key}: not JSON: {error}", field=given.key) from None


def _loosely(text: str, allowed: set[str]) -> Any:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return text if "string" in allowed and not allowed & _types_of_value(value) else value


def _types_of_value(value: Any) -> set[str]:
    """The JSON Schema types of `value`, except "string": quotes are part of a text."""
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return _NUMBER
    if isinstance(value, float):
        return {"number"}
    return {"array"} if isinstance(value, list) else {"object"} if isinstance(value, dict) else set()


def _types_of(key: str, schema: Mapping[str, Any] | None) -> set[str]:
    """The types of a parameter; empty if unknown."""
    if schema is None:
        return set()
    top = _resolved(schema, schema)
    return _types(top.get("properties", {}).get(key, {}), schema, _DEPTH)


def _types(part: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> set[str]:
    if not depth:
        return set()
    part = _resolved(part, root)
    found = {part["type"]} if isinstance(part.get("type"), str) else set(part.get("type", ()))
    for choice in (*part.get("anyOf", ()), *part.get("oneOf", ())):
        found |= _types(choice, root, depth - 1)
    choices = [*part.get("enum", ()), *([part["const"]] if "const" in part else ())]
    for value in choices:
        found |= {"string"} if isinstance(value, str) else _types_of_value(value)
    return found


def _resolved(part: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """`part`, or what its `$ref` into `$defs` names."""
    name = str(part.get("$ref", "")).removeprefix("#/$defs/")
    found: Mapping[str, Any] = root.get("$defs", {}).get(name, {}) if name else part
    return found


def searched_nodes(names: Sequence[str], *, auto: bool) -> SearchedNodes:
    """The nodes to search: those named, or all (also for none, and for the name `all`); with `auto`, likely ones."""
    if auto:
        return Auto(names)
    return "all" if not names or "all" in names else names
