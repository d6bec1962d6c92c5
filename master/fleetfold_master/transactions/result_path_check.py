"""The check whether a path can exist in an action's result, by the JSON Schema of the result.

Only what the schema certainly excludes is rejected: an object without declared fields may hold anything. The schema
comes from a node: an unusual one excludes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["misses", "rollback_misses"]

Schema = Mapping[str, Any]

_NAMES_SHOWN = 20
_ABSENT: Schema = {"not": {}}
_KINDS = {
    "integer": "a whole number", "number": "a number", "string": "a text", "boolean": "true or false",
    "null": "nothing", "array": "a list", "object": "an object without fields",
}  # fmt: skip


def misses(schema: Schema | None, path: Sequence[str]) -> str | None:
    """Why nothing can be at `path` in a result of that schema, or None: `no 'orderid'; it holds order_id, total`."""
    return None if schema is None else _misses(_branches([schema], schema), path, schema)


def rollback_misses(schema: Schema | None, path: Sequence[str]) -> str | None:
    """The same for `{{path}}` in the action's rollback: a field of the result, or `result` if that is not an object.

    `log` is the action's side-effect log.
    """
    if schema is None or path[0] == "log":
        return None
    branches = _branches([schema], schema)
    objects = [branch for branch in branches if _may_be_object(branch)]
    others = [branch for branch in branches if branch.get("type") != "object"]
    if others and path[0] == "result":
        return _misses(others, path[1:], schema)
    if objects or not branches:
        return _misses(objects, path, schema)
    return f"no {path[0]!r}; it returns {_kind(branches[0])}, which is {{{{result}}}}"


def _misses(here: Sequence[Schema], path: Sequence[str], top: Schema) -> str | None:
    for depth, name in enumerate(path):
        found = [_inside(branch, name) for branch in here]
        if None in found or not here:
            return None
        inner = [each for each in found if each is not None and each is not _ABSENT]
        if not inner:
            return _nothing_there(path[:depth], name, here)
        here = _branches(inner, top)
    return None


def _branches(schemas: Iterable[Schema], top: Schema) -> list[Schema]:
    """The alternatives of these schemas, with references followed, each once."""
    return list(_expanded(schemas, top, set()))


def _expanded(schemas: Iterable[Schema], top: Schema, seen: set[str]) -> Iterator[Schema]:
    for schema in map(_mapping, schemas):
        name = str(schema.get("$ref", ""))
        if isinstance(alternatives := schema.get("anyOf"), list):
            yield from _expanded(alternatives, top, seen)
        elif not name:
            yield schema
        elif name not in seen:
            seen.add(name)
            yield from _expanded([_mapping(top.get("$defs")).get(name.removeprefix("#/$defs/"), {})], top, seen)


def _mapping(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _inside(branch: Schema, name: str) -> Schema | None:
    """The schema of the field `name`; None if it is open, `_ABSENT` if there is none."""
    match branch.get("type"):
        case "object":
            return _field(branch, name)
        case "array":
            return _item(branch, name)
        case str():
            return _ABSENT
        case _:
            return _ABSENT if "enum" in branch or "const" in branch else None


def _field(branch: Schema, name: str) -> Schema | None:
    fields, others = branch.get("properties"), branch.get("additionalProperties")
    if name in _mapping(fields):
        return _mapping(_mapping(fields)[name]) or None
    if isinstance(others, Mapping):
        return others or None
    return _ABSENT if isinstance(fields, Mapping) and others is not True else None


def _item(branch: Schema, name: str) -> Schema | None:
    if not name.isdecimal():
        return _ABSENT
    first, others = branch.get("prefixItems"), branch.get("items")
    if isinstance(first, list) and int(name) < len(first):
        return _mapping(first[int(name)]) or None
    return _ABSENT if others is False else _mapping(others) or None


def _may_be_object(branch: Schema) -> bool:
    kind = branch.get("type")
    return kind == "object" or not (isinstance(kind, str) or "enum" in branch or "const" in branch)


def _nothing_there(walked: Sequence[str], name: str, here: Sequence[Schema]) -> str:
    where = f"{'.'.join(walked)} " if walked else "it "
    names = sorted({field for branch in here for field in _mapping(branch.get("properties"))})
    if names:
        return f"no {name!r}; {where}holds {', '.join(names[:_NAMES_SHOWN])}"
    return f"no {name!r}; {where}is {_kind(here[0])}"


def _kind(branch: Schema) -> str:
    return _KINDS.get(str(branch.get("type")), "one of a few values")
