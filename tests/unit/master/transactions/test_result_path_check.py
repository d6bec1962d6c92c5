"""Placeholders are refused where an action's return type says that nothing can be there, and nowhere else."""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest
from msgspec.structs import replace

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context
from fleetfold_master.transactions.result_path_check import misses, rollback_misses
from fleetfold_master.transactions.validation import validate
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionInfo, Filter, Rollback, StepSpec, Transact
from support.master import registry


class Line(msgspec.Struct):
    sku: str
    price: float | None = None
    more: dict[str, Any] = {}
    parent: Line | None = None


class Order(msgspec.Struct):
    order_id: str
    lines: list[Line]
    first: tuple[Line, int]
    by_sku: dict[str, Line]
    state: Any = None


class Refund(msgspec.Struct, rename={"refund_id": "refundId"}):
    refund_id: str


class Plain(TypedDict):
    order_id: str


class Pair(NamedTuple):
    order_id: str
    total: int


def _schema(kind: Any) -> dict[str, Any] | None:
    async def run(ctx: Context) -> Any: ...

    run.__annotations__["return"] = kind
    return action(run).info.result


@pytest.mark.parametrize(
    ("kind", "path", "why"),
    [
        (Order, "order_id", None),
        (Order, "orderid", "no 'orderid'; it holds by_sku, first, lines, order_id, state"),
        (Order, "order_id.x", "no 'x'; order_id is a text"),
        (Order, "lines.0.sku", None),
        (Order, "lines.sku", "no 'sku'; lines is a list"),
        (Order, "lines.0.skuu", "no 'skuu'; lines.0 holds more, parent, price, sku"),
        (Order, "lines.0.price", None),
        (Order, "lines.0.price.x", "no 'x'; lines.0.price is a number"),
        (Order, "lines.0.more.anything.0", None),
        (Order, "lines.0.parent.parent.parent.sku", None),
        (Order, "lines.0.parent.parent.parent.sk", "no 'sk'; lines.0.parent.parent.parent holds more, parent"),
        (Order, "first.1", None),
        (Order, "first.2", "no '2'; first is a list"),
        (Order, "by_sku.T-1.sku", None),
        (Order, "by_sku.T-1.skew", "no 'skew'"),
        (Order, "state.x.y", None),
        (Order | None, "orderid", "no 'orderid'"),
        (Order | None, "order_id", None),
        (Order | Refund, "refundId", None),
        (Order | Refund, "refund_id", "no 'refund_id'; it holds by_sku, first, lines, order_id, refundId, state"),
        (Plain, "orderid", "no 'orderid'; it holds order_id"),
        (Pair, "1", None),
        (Pair, "total", "no 'total'; it is a list"),
        (list[int], "0", None),
        (str, "x", "no 'x'; it is a text"),
        (None, "x", "no 'x'; it is nothing"),
        (dict[str, int], "any", None),
        (dict[str, int], "any.x", "no 'x'; any is a whole number"),
        (dict, "any.x", None),
        (Any, "any.x", None),
        (str | Any, "any.x", None),
    ],
)  # fmt: skip
def test_a_path_is_looked_up_in_the_return_type(kind: Any, path: str, why: str | None) -> None:
    found = misses(_schema(kind), path.split("."))
    assert found is None if why is None else (found or "").startswith(why)


@pytest.mark.parametrize(
    ("kind", "path", "why"),
    [
        (Order, "order_id", None),
        (Order, "orderid", "no 'orderid'; it holds"),
        (Order, "log.orderid", None),
        (Order, "result", "no 'result'"),
        (str, "result", None),
        (str, "order_id", "no 'order_id'; it returns a text, which is {{result}}"),
        (list[Order], "result.0.order_id", None),
        (list[Order], "result.0.orderid", "no 'orderid'"),
        (Order | None, "order_id", None),
        (Order | None, "result", None),
        (Order | None, "orderid", "no 'orderid'"),
        (dict[str, Any], "whatever", None),
        (Any, "whatever", None),
        (None, "order_id", "no 'order_id'; it returns nothing, which is {{result}}"),
    ],
)
def test_a_rollback_names_fields_of_its_own_step(kind: Any, path: str, why: str | None) -> None:
    found = rollback_misses(_schema(kind), path.split("."))
    assert found is None if why is None else (found or "").startswith(why)


def test_a_node_may_give_any_schema_and_breaks_nothing() -> None:
    endless = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    doubling = {"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}, {}]}}}
    odd: list[dict[str, Any]] = [
        {"$ref": "#/$defs/gone"}, {"anyOf": ["x"]}, {"anyOf": []}, {"type": ["object", "null"]}, {"$ref": 3},
        {"type": "object", "properties": [1]}, {"type": "object", "properties": {"x": 1}}, {"$ref": "x", "$defs": 1},
    ]  # fmt: skip
    for strange in (endless, doubling, *odd):
        assert misses(strange, ["x"]) is None
        assert rollback_misses(strange, ["x"]) is None


def _nodes() -> Any:
    nodes = registry(("shop", "active"))
    schema = _schema(Order)
    actions = [replace(info, result=schema if info.name == "reserve" else None) for info in _infos(nodes["shop"])]
    return {"shop": replace(nodes["shop"], description=replace(nodes["shop"].description, actions=actions))}


def _infos(record: Any) -> list[ActionInfo]:
    actions: list[ActionInfo] = record.description.actions
    return actions


def _spec(**fields: Any) -> StepSpec:
    return StepSpec(**{"name": "note", "node": "shop", "action": "note", **fields})


@pytest.mark.parametrize(
    ("reserve", "note", "said"),
    [
        ({}, {"params": {"text": "{{steps.order.orderid}}"}},
         "steps.note.params: {{steps.order.orderid}}: reserve returns no 'orderid'; it holds by_sku, first, lines,"),
        ({}, {"params": {"text": "no. {{ steps.order.orderid }}!"}}, "steps.note.params: {{steps.order.orderid}}"),
        ({}, {"when": Filter("steps.order.totl", "gt", 1)}, "steps.note.when: steps.order.totl: reserve returns no"),
        ({"rollback": Rollback("release", {"order": "{{orderid}}"})}, {},
         "steps.order.rollback.params: {{orderid}}: reserve returns no 'orderid'"),
    ],
)  # fmt: skip
def test_a_misspelled_reference_is_refused_before_the_first_step(
    reserve: dict[str, Any], note: dict[str, Any], said: str
) -> None:
    steps = [_spec(name="order", action="reserve", params={"sku": "a"}, **reserve), _spec(**note)]
    with pytest.raises(InvalidInput) as refusal:
        validate(Transact(id="t1", steps=steps), _nodes().get)
    assert refusal.value.message.startswith(said)


def test_what_the_type_does_not_tell_is_accepted() -> None:
    steps = [
        _spec(
            name="order", action="reserve", params={"sku": "a"}, rollback=Rollback("release", {"order": "{{order_id}}"})
        ),
        _spec(name="free", rollback=Rollback("release", {"order": "{{anything}}"})),
        _spec(params={"text": "{{steps.order.state.x}} {{steps.free.y.z}} {{steps.order.lines.0.more.x}}"}),
    ]  # fmt: skip
    assert len(validate(Transact(id="t1", steps=steps), _nodes().get)) == 3
