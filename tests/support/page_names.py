"""Files and symbols that pages name: `folder/file.py`, `folder/`, and `folder/file.py::Class.method`."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from support.pages import ROOT, without_blocks

__all__ = ["missing", "named", "package_folders", "resolved", "sources"]

TOP = ("shared", "broker", "child", "master", "client")
"""Folders of the repository that hold import packages."""

_NAMED = re.compile(r"`((?:[\w.-]+/)+(?:[\w-]+\.\w+(?:::[\w.]+)?)?)`")


def named(page: Path) -> list[str]:
    """Every file, folder and symbol that the page names between backticks, outside of its blocks."""
    return _NAMED.findall(without_blocks(page))


def resolved(path: str) -> Path | None:
    """The file or folder of a path that begins at the root, or with the name of an import package."""
    places = [ROOT / path, *(ROOT / top / path for top in TOP)]
    return next((place for place in places if place.exists() and place.is_dir() == path.endswith("/")), None)


def missing(name: str) -> bool:
    """Whether there is no such file or folder, or no such symbol in it."""
    path, _, symbol = name.partition("::")
    file = resolved(path)
    return file is None or bool(symbol and symbol not in _symbols(file))


def sources() -> list[Path]:
    """The modules of all import packages."""
    return sorted(file for top in TOP for file in (ROOT / top).rglob("*.py"))


def package_folders() -> list[str]:
    """The folders of all import packages, as pages name them: `fleetfold_master/search/`."""
    pages = (file for file in sources() if file.name == "__init__.py")
    return sorted(f"{page.parent.relative_to(ROOT / page.relative_to(ROOT).parts[0])}/" for page in pages)


@cache
def _symbols(file: Path) -> frozenset[str]:
    """The names that a module binds, and `Class.name` for what a class body binds."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    inside = {f"{node.name}.{name}" for node in classes for each in node.body for name in _bound(each)}
    return frozenset({name for node in body for name in _bound(node)} | inside)


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
