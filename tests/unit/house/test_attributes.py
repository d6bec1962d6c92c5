"""Nobody sets an attribute of an object from outside after it was made: whoever needs a part is given it.

A field of a mutable record (a dataclass, a Struct, or a class of `RECORDS`) is data, and may be set by the code that
works on the record, unless it is a function: that would be a callback which is set late.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = [
    "fleetfold", "fleetfold_broker", "fleetfold_child", "fleetfold_cli", "fleetfold_demo", "fleetfold_master",
    "fleetfold_shared", "fleetfold_storage",
]  # fmt: skip
RECORDS = {
    "CommandRun": "the state of one command, which the executor and the runner share",
    "ProgressReporter": "the state of one command's progress, of which `ProgressPublisher` sends the news",
    "_ActionSlots": "the slots of one action, private to the limiter beside it",
    "StopSignal": "what a signal handler passes on",
}
FOREIGN = {
    ("analysis.py", "stemmer"): "a thread's local storage is an object with attributes",
    ("nats_connection.py", "readline"): "nats-py offers no other way past a PING before its CONNECT is answered",
    ("tls.py", "minimum_version"): "how the standard library configures a TLS context",
    ("secret_file.py", "filename"): "an OSError of a full disk names no file",
    ("engine.py", "isolation_level"): "how sqlite3 is told to begin no transactions by itself",
    ("node_audit.py", "row_factory"): "how sqlite3 is told to return rows by name",
    ("app.py", "usage"): "how cyclopts is told a command's usage",
    ("app.py", "group"): "how cyclopts is told a command's group",
    ("app.py", "sort_key"): "how cyclopts is told a command's place",
    ("app.py", "version"): "how cyclopts is told a command's version",
    ("examples.py", "help"): "how cyclopts is told a command's help",
    ("reference.py", "argv"): "the reference is written as for the command's own name",
    ("text.py", "padding"): "how rich is told a table's padding",
    ("text.py", "no_wrap"): "how rich is told a column's wrapping",
}


def _root(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


TREES = {
    file: ast.parse(file.read_text(encoding="utf-8"))
    for package in PACKAGES
    for file in sorted(_root(package).rglob("*.py"))
}


def _is_record(decorator: ast.expr) -> bool:
    """Whether a class with this decorator is a mutable dataclass."""
    text = ast.unparse(decorator)
    return text.startswith("dataclass") and "frozen=True" not in text


def _is_struct(cls: ast.ClassDef) -> bool:
    """Whether a class is a mutable msgspec Struct by its own word."""
    return "msgspec.Struct" in map(ast.unparse, cls.bases) and all(word.arg != "frozen" for word in cls.keywords)


def _fields_of(cls: ast.ClassDef) -> Iterator[str]:
    """The names of a record's data: annotated in the body of a dataclass, or set by itself; no functions."""
    for node in cls.body if cls.name not in RECORDS else ast.walk(cls):
        if isinstance(node, ast.AnnAssign) and "Callable" in ast.unparse(node.annotation):
            continue
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        yield from (target.attr for target in _targets(node))


def _targets(node: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that a statement sets."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    else:
        return
    for target in targets:
        for each in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
            if isinstance(each, ast.Attribute):
                yield each


def _package(file: Path) -> str:
    return next(part for part in file.parts if part in PACKAGES)


FIELDS = {
    (_package(file), name)
    for file, tree in TREES.items()
    for cls in ast.walk(tree)
    if isinstance(cls, ast.ClassDef)
    and (cls.name in RECORDS or _is_struct(cls) or any(map(_is_record, cls.decorator_list)))
    for name in _fields_of(cls)
}
"""The data of each package's records."""


def from_outside(tree: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that are set on an object other than the method's own."""
    for node in ast.walk(tree):
        for target in _targets(node):
            if not (isinstance(target.value, ast.Name) and target.value.id in {"self", "cls"}):
                yield target
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            yield ast.Attribute(node.args[0], "setattr", lineno=node.lineno)


def late(package: str, name: str, tree: ast.AST) -> list[str]:
    """What is set from outside in a file of this name, and is neither a record's data nor another's object."""
    return [
        f"{name}:{each.lineno} {ast.unparse(each)}"
        for each in from_outside(tree)
        if (package, each.attr) not in FIELDS and (name, each.attr) not in FOREIGN
    ]


def test_no_attribute_is_set_on_an_object_from_outside() -> None:
    assert [each for file, tree in TREES.items() for each in late(_package(file), file.name, tree)] == []


@pytest.mark.parametrize(
    "wiring",
    [
        "presence.on_change = log_change",
        "self._fleet.on_rose = self._tell",
        "gatherer.on_gone, gatherer.on_junk = gone, junk",
        "parts[0].on_end: Callable[[], None] = stop",
        "setattr(registry, 'on_change', told)",
    ],
)
def test_a_callback_that_is_set_late_is_found(wiring: str) -> None:
    assert len(late("fleetfold_master", "wiring.py", ast.parse(wiring))) >= 1


def test_the_list_of_exceptions_has_no_entry_without_a_use() -> None:
    used = {(file.name, each.attr) for file, tree in TREES.items() for each in from_outside(tree)}
    assert FOREIGN.keys() - used == set()
    classes = {node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assert RECORDS.keys() - classes == set()
