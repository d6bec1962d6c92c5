"""YAML as JSON would say it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from fleetfold_cli.parsing import strict_yaml
from fleetfold_cli.parsing.transaction_file import read
from fleetfold_shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("true", True), ("False", False), ("null", None), ("~", None),
        ("", None), ("017", 17), ("0o17", 15), ("0x1f", 31), ("-3", -3), ("1_000", "1_000"), ("1:30", "1:30"),
        ("1.5", 1.5), ("1e3", 1000.0), ("-.5", -0.5), ("2026-01-02", "2026-01-02"), ("\'1\'", "1"),
        ("=", "="), ("{{inputs.x}}", None),
    ],
)  # fmt: skip
def test_a_plain_word_is_what_it_is_in_yaml_1_2(text: str, value: Any) -> None:
    if "{{" in text:
        with pytest.raises(strict_yaml.YAMLError):
            strict_yaml.load(f"a: {text}")
    else:
        assert strict_yaml.load(f"a: {text}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: []\nsteps: []", "the key 'steps' is there twice"),
        ("a: &x [1]\nb: *x", "aliases (`*name`) are not taken"),
        ("1: a", "a key must be a text"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: [", "not YAML"),
        ("a: .inf", ".inf is not a number that JSON has"),
        (
            "a: .nan",
            "not YAML: .nan is not a number that JSON has; leave it out, or put it in quotes (line 1, column 4)",
        ),
        ("a: 1e999", "1e999 is not a number that JSON has"),
        ("<<: {name: a}", "<<: there is no such key"),
        ("name: no\nsteps: [{name: a, node: b, action: c, pivot: on}]", "steps[0].pivot: expected `bool`"),
        ("name: a\n---\nname: b", "expected a single document"),
    ],
)
def test_what_surprises_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "order.yml").write_text(text)
    with pytest.raises(InvalidInput) as refused:
        read(str(tmp_path / "order.yml"), StringIO())
    assert says in refused.value.message
    assert "order.yml" in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        "# an order\n\nsteps:\n  - {name: a, node: shop, action: b}\n",
        "---\nsteps: [{name: a, node: shop, action: b}]\n",
        "[[steps]]\nname = 'a'\nnode = 'shop'\naction = 'b'\n",
        '{"steps": [{"name": "a", "node": "shop", "action": "b"}]}',
    ],
)
def test_stdin_may_be_any_of_them(text: str) -> None:
    assert read("-", StringIO(text)).steps[0].node == "shop"
