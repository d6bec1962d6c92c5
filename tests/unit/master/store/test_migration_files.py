"""Masters of one series share a database: a migration that changes or removes says `phase = "contract"`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fleetfold_master.store import migration

VERSIONS = Path(migration.__file__).parent / "migrations" / "versions"
BEFORE_0_2 = "r0013"
"""The last migration of before the rule."""
FILES = sorted(path for path in VERSIONS.glob("r*.py") if path.stem.partition("_")[0] > BEFORE_0_2)

ADDING = {"create_table", "create_index", "add_column", "bulk_insert", "get_bind"}


def faults(source: str) -> list[str]:
    """What a migration's text does that its phase does not allow."""
    tree = ast.parse(source)
    phase = _phase(tree)
    if phase not in {"expand", "contract"}:
        return ['it must say `phase = "expand"` or `phase = "contract"`']
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    calls = _calls(upgrade)
    new = {ast.unparse(call.args[0]) for call in calls if _name(call) == "create_table"}
    return [] if phase == "contract" else [fault for call in calls if (fault := _fault(call, new))]


def _phase(tree: ast.Module) -> object:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["phase"]:
            return getattr(node.value, "value", None)
    return None


def _calls(upgrade: ast.FunctionDef) -> list[ast.Call]:
    return [
        node for node in ast.walk(upgrade)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and getattr(node.func.value, "id", "") == "op"
    ]  # fmt: skip


def _name(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr


def _fault(call: ast.Call, new: set[str]) -> str:
    """What the call does to an older master, which knows none of the `new` tables."""
    name, given = _name(call), {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name == "create_index" and given.get("unique", "False") != "False" and ast.unparse(call.args[1]) not in new:
        return "a unique index refuses rows that an older master writes"
    if name == "add_column" and _demands(call.args[1]):
        return "a column needs `server_default` or must be nullable: an older master does not write it"
    return "" if name in ADDING else f"op.{name} changes what an older master uses"


def _demands(column: ast.expr) -> bool:
    assert isinstance(column, ast.Call)
    given = {word.arg: ast.unparse(word.value) for word in column.keywords}
    return given.get("nullable") == "False" and "server_default" not in given


def test_a_migration_only_adds_unless_it_is_marked() -> None:
    found = {file.stem: faults(file.read_text(encoding="utf-8")) for file in FILES}
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('op.drop_column("tx", "role")', "op.drop_column"),
        ('op.drop_table("tx")', "op.drop_table"),
        ('op.rename_table("tx", "saga")', "op.rename_table"),
        ('op.alter_column("tx", "role", new_column_name="r")', "op.alter_column"),
        ('op.execute("DELETE FROM tx")', "op.execute"),
        ('op.create_unique_constraint("u", "tx", ["name"])', "op.create_unique_constraint"),
        ('op.create_index("i", "tx", ["name"], unique=True)', "a unique index"),
        ('op.add_column("tx", Column("role", String(16), nullable=False))', "a column needs"),
        ('op.batch_alter_table("tx")', "op.batch_alter_table"),
    ],
)
def test_what_an_older_master_would_trip_over_is_found(line: str, fault: str) -> None:
    text = f"phase = 'expand'\n\n\ndef upgrade():\n    {line}\n"
    assert [found.startswith(fault) for found in faults(text)] == [True]
    assert faults(text.replace("expand", "contract")) == []


@pytest.mark.parametrize(
    "line",
    [
        'op.add_column("tx", Column("role", String(16), nullable=False, server_default=""))',
        'op.add_column("tx", Column("ms", Double))',
        'op.create_table("fresh", Column("id", String(16), primary_key=True))',
        'op.create_index("i", "tx", ["name"])',
        'op.create_table("fresh", Column("id", String(16)))\n    op.create_index("i", "fresh", ["id"], unique=True)',
    ],
)
def test_what_only_adds_is_allowed(line: str) -> None:
    text = f"phase = 'expand'\n\n\ndef upgrade():\n    {line}\n\n\ndef downgrade():\n    op.drop_table('x')\n"
    assert faults(text) == []


def test_a_migration_that_says_nothing_is_found() -> None:
    assert faults("def upgrade():\n    pass\n")
