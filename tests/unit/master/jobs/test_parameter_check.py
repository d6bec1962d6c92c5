"""Bad parameters are refused by name, and a node's schema cannot harm the master."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_master.jobs import check_params
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionInfo


class Line(msgspec.Struct, forbid_unknown_fields=True):
    sku: str
    quantity: int = 1


class Order(msgspec.Struct, forbid_unknown_fields=True):
    customer: str
    lines: list[Line]
    discount: int | None = None


ORDER = ActionInfo("order", msgspec.json.schema(Order))
GOOD = {"customer": "c1", "lines": [{"sku": "a"}]}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "params.customer: missing; order needs it"),
        (GOOD | {"colour": 1}, "params.colour: unknown parameter; order takes customer, lines, discount"),
        (GOOD | {"customer": 1}, 'params.customer: 1 is not of type "string"'),
        (GOOD | {"lines": [{"sku": 2}]}, 'params.lines.0.sku: 2 is not of type "string"'),
        (GOOD | {"lines": [{"sku": "a", "size": 2}]}, "params.lines.0.size: unknown parameter"),
        (GOOD | {"discount": "x"}, "params.discount: 'x' fits none of the kinds"),
        (GOOD | {"discount": "{{x}}"}, "params.discount: '{{x}}' fits none of the kinds"),
    ],
)
def test_a_bad_parameter_is_named(params: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_params(ORDER, params, "params")
    assert refusal.value.message.startswith(message)
    assert refusal.value.field == message.partition(":")[0]


def test_good_parameters_pass() -> None:
    check_params(ORDER, GOOD | {"discount": None}, "params")
    check_params(ORDER, GOOD | {"discount": "{{steps.a.b}}"}, "params", templated=True)


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/schema", "file:///etc/hostname"])
def test_a_schema_makes_the_master_fetch_nothing(reference: str) -> None:
    with pytest.raises(InvalidInput, match="may not refer to"):
        check_params(ActionInfo("spy", {"$ref": reference}), {}, "params")


def test_a_schema_that_is_none_is_the_action_s_fault() -> None:
    with pytest.raises(InvalidInput, match=r"action odd: .* mend the action"):
        check_params(ActionInfo("odd", {"type": "nonsense"}), {}, "params")


def test_a_slow_pattern_does_not_stop_the_master() -> None:
    slow = ActionInfo("slow", {"properties": {"text": {"pattern": "^(a+)+$"}}})
    with pytest.raises(InvalidInput, match=r"params\.text"):
        check_params(slow, {"text": "a" * 40 + "!"}, "params")
