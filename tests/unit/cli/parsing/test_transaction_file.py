"""A transaction as people write it down."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from fleetfold_cli.parsing.transaction_file import read
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Rollback

TOML = """
name = "order"

[[steps]]
name = "reserve"
node = "shop"
action = "reserve_stock"
params = { sku = "TNT-204", quantity = 2 }
rollback = { action = "release_stock", params = { id = "{{reservation_id}}" } }
timeout_s = 5

[[steps]]
name = "order"
node = "crm"
action = "create_order"
stage = 1
retries = 2
pivot = true
"""


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    as_toml, as_json = tmp_path / "order.toml", tmp_path / "order.json"
    as_toml.write_text('[[steps]]\nname = "a"\nnode = "shop"\naction = "b"\n')
    as_json.write_text('{"steps": [{"name": "a", "node": "shop", "action": "b"}]}')
    assert read(str(as_toml), StringIO()) == read(str(as_json), StringIO())


def test_every_field_of_a_step_can_be_written_down(tmp_path: Path) -> None:
    file = tmp_path / "order.toml"
    file.write_text(TOML)
    order = read(str(file), StringIO())
    reserve, last = order.steps
    assert order.name == "order"
    assert reserve.params == {"sku": "TNT-204", "quantity": 2}
    assert reserve.rollback == Rollback("release_stock", {"id": "{{reservation_id}}"})
    assert reserve.timeout_s == 5.0
    assert (last.stage, last.retries, last.pivot) == (1, 2, True)


@pytest.mark.parametrize("text", ['{"steps": [{"name": "a", "node": "b", "action": "c"}]}', TOML])
def test_stdin_may_be_either(text: str) -> None:
    assert read("-", StringIO(text)).steps


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ('{"steps": [{"name": "a", "node": "b"}]}', "steps[0].action", "stdin: steps[0].action: missing"),
        ('{"nam": "", "steps": []}', "nam", "stdin: nam: there is no such key"),
        ('{"steps": []}', "steps", "stdin: steps: expected"),
        ('{"steps": [{"name": "a", "node": "b", "action": "c", "timeout_s": "5"}]}', "steps[0].timeout_s", "`float`"),
        (
            '{"steps": [{"name": "a", "node": "b", "action": "c", "rollback": {}}]}',
            "steps[0].rollback.action",
            "missing",
        ),
        ("[", "file", "stdin: not TOML"),
        ('{"steps": ', "file", "stdin: not JSON"),
        ("", "steps", "missing"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, field: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read("-", StringIO(text))
    assert refused.value.field == field
    assert said in refused.value.message


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.toml: cannot be read: No such file"):
        read(str(tmp_path / "nowhere.toml"), StringIO())
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(InvalidInput, match=r"latin\.toml: not UTF-8"):
        read(str(tmp_path / "latin.toml"), StringIO())
