"""A name means one thing: no class and no file name stands twice in a package."""

from __future__ import annotations

import ast
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = [
    "fleetfold", "fleetfold_broker", "fleetfold_child", "fleetfold_cli", "fleetfold_demo", "fleetfold_master",
    "fleetfold_shared", "fleetfold_storage",
]  # fmt: skip
OFTEN = {"__init__", "__main__", "model", "rows", "errors"}
"""File names that each folder may have."""


def modules(package: str) -> list[Path]:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    files = Path(spec.origin).parent.rglob("*.py")
    return [file for file in files if "migrations" not in file.parts]


def twice(named: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The names that stand in several places, and where."""
    places = defaultdict[str, list[str]](list)
    for name, place in named:
        places[name].append(place)
    return {name: where for name, where in places.items() if len(where) > 1}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_name_stands_twice_in_a_package(package: str) -> None:
    assert twice([(file.stem, str(file)) for file in modules(package) if file.stem not in OFTEN]) == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_class_name_stands_twice_in_a_package(package: str) -> None:
    classes = [
        (node.name, str(file))
        for file in modules(package)
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert twice(classes) == {}
