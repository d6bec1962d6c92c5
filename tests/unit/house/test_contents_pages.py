"""A package's `__init__` is its contents page: imports and a complete `__all__`, nothing else."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from fleetfold_shared import messages

FACADE = "fleetfold"
PACKAGES = [
    FACADE, "fleetfold_broker", "fleetfold_child", "fleetfold_cli", "fleetfold_demo", "fleetfold_master",
    "fleetfold_shared", "fleetfold_storage",
]  # fmt: skip


def _root(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _name(file: Path) -> str:
    return "/".join(file.parts[-3:])


FILES = sorted(file for package in PACKAGES for file in _root(package).rglob("*.py") if "migrations" not in file.parts)
PAGES = [file for file in FILES if file.name == "__init__.py"]
MODULES = [file for file in FILES if file.name != "__init__.py"]


def _all(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def _ours(tree: ast.AST) -> set[str]:
    """What is imported from the house, also what the facade imports only for the type checkers and gives lazily; not
    what a function imports for itself.
    """
    inside = {each for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for each in ast.walk(node)}
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node not in inside]
    ours = [node for node in froms if (node.module or "").split(".")[0] in PACKAGES]
    return {alias.asname or alias.name for node in ours for alias in node.names}


def _bound(tree: ast.AST) -> set[str]:
    """Every name a module gives a meaning to."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_contents_page_lists_all_that_it_imports(page: Path) -> None:
    tree = _tree(page)
    assert set(_all(tree) or []) == _ours(tree)


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != FACADE], ids=_name)
def test_a_contents_page_holds_nothing_else(page: Path) -> None:
    contents = ast.Expr | ast.ImportFrom | ast.Assign
    assert [ast.unparse(node) for node in _tree(page).body if not isinstance(node, contents)] == []


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_every_module_says_what_it_offers(module: Path) -> None:
    tree = _tree(module)
    offered = _all(tree)
    assert offered is not None, "there is no __all__"
    assert len(offered) == len(set(offered))
    assert set(offered) <= _bound(tree) | _ours(tree)


def test_the_messages_page_has_every_message() -> None:
    rooms = [file for file in MODULES if file.parent == Path(messages.__file__).parent]
    assert set(messages.__all__) == {name for room in rooms for name in _all(_tree(room)) or []}
