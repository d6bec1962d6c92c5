"""What a transaction is refused for, by name, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_master.transactions.validation import validate
from fleetfold_shared.errors import FleetfoldError, InvalidInput, NotFound, Unavailable
from fleetfold_shared.messages import Filter, Rollback, StepSpec, Transact
from support.master import registry

NODES = registry(("shop", "active"), ("crm", "active"), ("old", "removed"), ("ill", "maintenance"))
RESERVE = StepSpec(name="shop", node="shop", action="reserve", params={"sku": "a"})


def _crm(**fields: Any) -> StepSpec:
    return StepSpec(**{"name": "crm", "node": "crm", "action": "note", **fields})


def _tx(*steps: StepSpec) -> Transact:
    return Transact(id="t1", steps=list(steps))


@pytest.mark.parametrize(
    ("step", "kind", "message"),
    [
        (_crm(name="shop"), InvalidInput, "steps.shop.name: there are two"),
        (_crm(node="nobody"), NotFound, "steps.crm.node: there is no node 'nobody'"),
        (_crm(node="old"), NotFound, "steps.crm.node: there is no node 'old'"),
        (_crm(node="ill"), Unavailable, "steps.crm.node: 'ill' is maintenance"),
        (_crm(action="fly"), NotFound, "steps.crm.action: crm has no action 'fly'; it has note, release"),
        (_crm(rollback=Rollback("fly")), NotFound, "steps.crm.rollback.action: crm has no action 'fly'"),
        (_crm(params={"text": 1}), InvalidInput, 'steps.crm.params.text: 1 is not of type "string"'),
        (_crm(params={"words": "a"}), InvalidInput, "steps.crm.params.words: unknown parameter; note takes text"),
        (_crm(action="reserve"), InvalidInput, "steps.crm.params.sku: missing; reserve needs it"),
        (
            _crm(action="reserve", params={"sku": "a", "quantity": "n{{steps.shop.n}}"}),
            InvalidInput,
            "steps.crm.params.quantity: ",
        ),
        (_crm(rollback=Rollback("release")), InvalidInput, "steps.crm.rollback.params.order: missing"),
        (_crm(params={"text": "{{order}}"}), InvalidInput, "steps.crm.params: {{order}} means nothing here"),
        (_crm(params={"text": "{{steps}}"}), InvalidInput, "steps.crm.params: {{steps}} means nothing here"),
        (_crm(params={"text": "{{steps.x.y}}"}), InvalidInput, "there is no step 'x'; there are shop, crm"),
        (_crm(params={"text": "{{steps.crm.y}}"}), InvalidInput, "crm has not run by then"),
        (_crm(params={"text": "{{"}), InvalidInput, "steps.crm.params"),
        (
            _crm(rollback=Rollback("release", {"order": "{{steps.shop.id}}"})),
            InvalidInput,
            "steps.crm.rollback.params: {{steps.shop.id}}: a rollback knows its own",
        ),
        (_crm(pivot=True, rollback=Rollback("undo")), InvalidInput, "steps.crm.rollback: a pivot is the point"),
        (_crm(stage=0), InvalidInput, "steps.crm.stage: 0 is already the own stage of shop"),
        (_crm(depends_on=["x"]), InvalidInput, "steps.crm.depends_on: there is no step 'x'; there are crm, shop"),
        (_crm(depends_on=["crm"]), InvalidInput, "steps.crm.depends_on: these wait for each other in a circle: crm"),
        (_crm(depends_on=["shop"], stage=1), InvalidInput, "steps.crm.stage: other steps name what they depend on"),
        (
            _crm(depends_on=[], params={"text": "{{steps.shop.y}}"}),
            InvalidInput,
            "steps.crm.params: {{steps.shop.y}}: shop has not run by then; depend on it",
        ),
        (_crm(depends_on=[], pivot=True), InvalidInput, "steps.crm.depends_on: shop may run at the same time"),
        (_crm(when=Filter("total", "gt", 1)), InvalidInput, "steps.crm.when: total means nothing here; write steps.N"),
        (
            _crm(when=Filter("steps.crm.y", "eq", None)),
            InvalidInput,
            "steps.crm.when: steps.crm.y: crm has not run by then",
        ),
        (_crm(when=Filter("steps.shop.y", "in", 3)), InvalidInput, "steps.crm.when.value: `in` takes a list"),
    ],
)
def test_a_wrong_step_is_refused_by_name(step: StepSpec, kind: type[FleetfoldError], message: str) -> None:
    with pytest.raises(kind) as refusal:
        validate(_tx(RESERVE, step), NODES.get)
    assert message in refusal.value.message


def test_there_is_one_pivot_and_it_stands_alone() -> None:
    with pytest.raises(InvalidInput, match=r"steps\.b\.pivot: a is the pivot already"):
        validate(_tx(_crm(name="a", pivot=True), _crm(name="b", pivot=True)), NODES.get)
    with pytest.raises(InvalidInput, match=r"steps\.a\.stage: b may run at the same time as the pivot"):
        validate(_tx(_crm(name="a", pivot=True, stage=1), _crm(name="b", stage=1)), NODES.get)


def test_steps_without_a_stage_follow_those_before_them() -> None:
    specs = [_crm(name="a"), _crm(name="b", stage=5), _crm(name="c", stage=5), _crm(name="d")]
    assert [step.stage for step in validate(_tx(*specs), NODES.get)] == [0, 5, 5, 6]


def test_dependencies_give_each_step_its_depth() -> None:
    specs = [
        _crm(name="d", depends_on=["b", "c"]), _crm(name="a"), _crm(name="b", depends_on=["a"]),
        _crm(name="c", depends_on=[]), _crm(name="e", depends_on=["d"], params={"text": "{{steps.a.id}}"}),
    ]  # fmt: skip
    steps = validate(_tx(*specs), NODES.get)
    assert [(step.name, step.stage) for step in steps] == [("d", 2), ("a", 0), ("b", 1), ("c", 0), ("e", 3)]
    assert steps[0].after == ("b", "c")


def test_a_whole_placeholder_may_stand_for_any_type() -> None:
    later = _crm(action="reserve", params={"sku": "no. {{steps.shop.id}}", "quantity": "{{steps.shop.n}}"})
    shop, crm = validate(_tx(RESERVE, later), NODES.get)
    assert (shop.kind, crm.stage, crm.params) == ("transactional", 1, later.params)
