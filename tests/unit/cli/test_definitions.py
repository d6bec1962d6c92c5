"""`fleetfold definitions`, `fleetfold tx run NAME` and `fleetfold tx follow`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fleetfold_shared.messages import (
    Definition,
    DefinitionInfo,
    DefinitionRecord,
    DefinitionStored,
    Rollback,
    StepSpec,
    TimelineEntry,
)
from support.commandline import FakeFleet, run_command, transaction

YAML = """
name: order
about: Order one.
inputs: { sku: str, quantity: { type: integer, default: 1 } }
steps:
  - name: reserve
    node: shop
    action: reserve_stock
    params: { sku: "{{inputs.sku}}", quantity: "{{inputs.quantity}}" }
    rollback: { action: release_stock, params: { id: "{{log.id}}" } }
"""
STEP = StepSpec(
    name="reserve", node="shop", action="reserve_stock",
    params={"sku": "{{inputs.sku}}", "quantity": "{{inputs.quantity}}"},
    rollback=Rollback("release_stock", {"id": "{{log.id}}"}),
)  # fmt: skip
ORDER = Definition(
    name="order", steps=[STEP], inputs={"sku": "str", "quantity": {"type": "integer", "default": 1}}, about="Order one."
)
RECORD = DefinitionRecord(
    definition=ORDER, version=2, created_at=1.0, created_by="ann",
    schema={"type": "object", "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer", "default": 1}}},
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "order.yaml").write_text(YAML)
    return str(tmp_path / "order.yaml")


def test_a_file_is_kept_and_its_warnings_shown(file: str) -> None:
    fleet = FakeFleet(answer=DefinitionStored(name="order", version=2, fresh=True, warnings=["steps.reserve.node: no"]))
    result = run_command("definitions", "put", file, fleet=fleet)
    assert result.out == "order@2: new\nwarning: steps.reserve.node: no\n"
    assert fleet.asked == [("put_definition", {"definition": ORDER, "dry_run": False})]


def test_it_may_be_kept_under_another_name(file: str) -> None:
    fleet = FakeFleet(answer=DefinitionStored(name="other", version=1, fresh=False))
    assert run_command("definitions", "put", file, "--name", "other", "--dry-run", fleet=fleet).code == 0
    assert fleet.asked[0][1] == {"definition": msgspec.structs.replace(ORDER, name="other"), "dry_run": True}
    refused = run_command("definitions", "put", file, "--name", "An order", fleet=fleet)
    assert (refused.code, "definition: name:" in refused.err) == (2, True)


def test_definitions_are_listed_shown_and_removed() -> None:
    info = DefinitionInfo("order", 2, "Order one.", ["sku"], ["shop"], 1, 1.0, "ann")
    assert "order@2" in run_command("definitions", "list", fleet=FakeFleet(answer=[info])).out
    assert run_command("definitions", "list", "--json", fleet=FakeFleet(answer=[])).json == {"definitions": []}
    fleet = FakeFleet(record=RECORD)
    shown = run_command("definitions", "show", "order@2", fleet=fleet).out
    assert fleet.asked == [("definition", ("order", 2))]
    assert "quantity   integer   1" in shown
    assert 'release_stock {"id":"{{log.id}}"}' in shown
    assert run_command("definitions", "remove", "order", fleet=FakeFleet(answer=2)).out == "order removed, 2 versions\n"


def test_what_is_shown_can_be_put_again() -> None:
    shown = run_command("definitions", "show", "order", "--json", fleet=FakeFleet(record=RECORD)).json["definition"]
    fleet = FakeFleet(answer=DefinitionStored(name="order", version=2, fresh=False))
    assert run_command("definitions", "put", "-", fleet=fleet, stdin=msgspec.json.encode(shown).decode()).code == 0
    assert fleet.asked == [("put_definition", {"definition": ORDER, "dry_run": False})]


def test_a_definition_is_run_by_its_name_with_typed_inputs() -> None:
    fleet = FakeFleet(answer=transaction(), record=RECORD)
    assert run_command("tx", "run", "order@2", "sku=007", "quantity=3", fleet=fleet).code == 0
    (_, looked_up), (verb, asked) = fleet.asked
    assert looked_up == ("order", 2)
    assert (verb, asked["steps"], asked["inputs"]) == ("transact", "order@2", {"sku": "007", "quantity": 3})


def test_a_file_may_have_inputs_too(file: str) -> None:
    fleet = FakeFleet(answer=transaction())
    assert run_command("tx", "run", file, "sku=007", fleet=fleet).code == 0
    ((_, asked),) = fleet.asked
    assert (asked["steps"], asked["inputs"]) == ([STEP], {"sku": "007", "quantity": 1})
    missing = run_command("tx", "run", file, fleet=fleet)
    assert (missing.code, "inputs.sku: missing; write sku=VALUE" in missing.err) == (2, True)


def test_what_happens_is_told_line_by_line_and_then_the_end() -> None:
    ended = msgspec.structs.replace(
        transaction("rolled_back"),
        timeline=[
            TimelineEntry(100.0, "accepted", None, "asked for by cli"),
            TimelineEntry(101.5, "failed", "pay", "declined"),
        ],
    )  # fmt: skip
    told = run_command("tx", "follow", "t1", fleet=FakeFleet(answer=ended))
    assert told.code == 9
    first, second, last = told.out.splitlines()
    assert first.endswith("0 ms  accepted: asked for by cli")
    assert second.endswith("1,500 ms  pay failed: declined")
    assert last == "rolled_back  transaction t1: payment: declined"
    lines = run_command("tx", "follow", "t1", "--json", fleet=FakeFleet(answer=ended)).out.splitlines()
    documents = [msgspec.json.decode(line) for line in lines]
    assert [list(one) for one in documents] == [["entry"], ["entry"], ["transaction"]]
    assert documents[1]["entry"]["step"] == "pay"
