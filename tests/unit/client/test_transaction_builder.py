"""Transactions written in Python are the ones written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fleetfold import Transaction, step
from fleetfold_master.transactions.validation import validate
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter, Rollback, StepSpec, Transact
from fleetfold_shared.templates import fill
from support.master import registry


def order() -> Transaction:
    tx = Transaction("order")
    placed = tx.step(
        "shop.place_order", sku="TNT-204", rollback=step.compensation("cancel_order", order_id=step["order_id"])
    )
    tx.step(
        "crm.open_ticket", order=placed["order_id"], text=f"for {placed['lines'][0]['sku']}", when=placed["total"] > 1
    )
    return tx


def test_it_is_what_one_would_write_by_hand() -> None:
    assert order().steps() == [
        StepSpec(
            name="place_order", node="shop", action="place_order", params={"sku": "TNT-204"},
            rollback=Rollback("cancel_order", {"order_id": "{{order_id}}"}),
        ),
        StepSpec(
            name="open_ticket", node="crm", action="open_ticket",
            params={"order": "{{steps.place_order.order_id}}", "text": "for {{steps.place_order.lines.0.sku}}"},
            when=Filter("steps.place_order.total", "gt", 1),
        ),
    ]  # fmt: skip


def test_a_rollback_may_use_the_result_the_log_and_the_whole() -> None:
    tx = Transaction()
    tx.step("shop.order", rollback=step.compensation("cancel", id=step.log["id"], text=f"at {step['page']}", all=step))
    assert tx.steps()[0].rollback == Rollback(
        "cancel", {"id": "{{log.id}}", "text": "at {{page}}", "all": "{{result}}"}
    )


def test_what_is_not_a_reference_is_data() -> None:
    tx = Transaction()
    words = tx.step("shop.words")
    tx.step("crm.note", text="{{steps.words.id}}", deep={"all": [r"\{{", f"{{{{{words['id']}"]})
    params = tx.steps()[1].params
    filled = fill(params, {"steps": {"words": {"id": 7}}})
    assert filled == {"text": "{{steps.words.id}}", "deep": {"all": [r"\{{", "{{7"]}}


def test_steps_with_after_depend_on_what_they_await_and_refer_to() -> None:
    tx = Transaction()
    a = tx.step("shop.a")
    b = tx.step("shop.b", after=[])
    c = tx.step("crm.c", after=b, id=a["id"])
    tx.step("crm.d", when=b["ok"] == True)  # noqa: E712  # a condition
    tx.step("crm.e", after=[c])
    assert {one.name: one.depends_on for one in tx.steps()} == {
        "a": [], "b": [], "c": ["a", "b"], "d": ["b", "c"], "e": ["c"],
    }  # fmt: skip
    assert tx.steps() == tx.steps()


def test_steps_of_one_action_have_names_of_their_own() -> None:
    tx = Transaction()
    names = [tx.step("shop.order").name, tx.step("crm.order").name, tx.step("crm.order", name="third").name]
    assert names == ["order", "order_2", "third"]


def test_conditions_combine() -> None:
    tx = Transaction()
    one = tx.step("shop.order")
    tx.step("crm.note", when=((one["n"] >= 2) & ~one["paid"].exists()) | one["kind"].one_of(["a", "b"]))
    assert tx.steps()[1].when == Filter(
        any=[
            Filter(all=[Filter("steps.order.n", "gte", 2), Filter(none=[Filter("steps.order.paid", "exists", True)])]),
            Filter("steps.order.kind", "in", ["a", "b"]),
        ]
    )


def test_a_definition_has_typed_inputs() -> None:
    tx = Transaction("order", within_s=60, about="Order one.")
    sku, limit = tx.input("sku"), tx.input("limit", float, default=10.0)
    tx.input("size", {"enum": ["s", "m"]})
    placed = tx.step("shop.order", sku=sku, rollback=step.compensation("cancel", sku=sku))
    tx.step("crm.note", text=f"{sku}!", when=placed["total"] > limit)
    definition = tx.definition()
    assert definition.inputs == {
        "sku": "str", "limit": {"type": "number", "default": 10.0}, "size": {"enum": ["s", "m"]},
    }  # fmt: skip
    assert definition.steps[0].params == {"sku": "{{inputs.sku}}"}
    assert definition.steps[1].when == Filter("steps.order.total", "gt", "{{inputs.limit}}")
    assert tx.given({"sku": "a"}) == {"sku": "a", "limit": 10.0}


def test_what_is_built_is_valid() -> None:
    tx = Transaction()
    reserved = tx.step("shop.reserve", sku="a", rollback=step.compensation("release", order=step["id"]))
    tx.step("crm.note", text=reserved["id"], after=reserved)
    steps = validate(Transact(id="t1", steps=tx.steps()), registry(("shop", "active"), ("crm", "active")).get)
    assert [one.after for one in steps] == [(), ("reserve",)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda tx, one: tx.step("shop"), "steps.step: 'shop': write NODE.ACTION"),
        (lambda tx, one: tx.step("shop.order", name="one"), "steps.one: 'shop.order': there is a step of this name"),
        (lambda tx, one: tx.step("shop.Order"), "steps.Order: name: "),
        (lambda tx, one: tx.step("shop.order", timeout_s=0), "steps.order: timeout_s: "),
        (
            lambda tx, one: tx.step("shop.order", at=object()),
            "steps.order.params.at: JSON has no values",
        ),
        (lambda tx, one: tx.step("shop.order", id=Transaction().step("shop.x")), "steps.order.params.id: "),
        (lambda tx, one: tx.step("shop.order", id=f"{Transaction().step('shop.x')}"), "steps.order: it refers to 'x'"),
        (lambda tx, one: tx.step("shop.order", id=step["id"]), "steps.order.params.id: <id of a transaction>"),
        (lambda tx, one: tx.step("shop.order", when=step["id"] == 1), "steps.order.when: "),
        (lambda tx, one: tx.step("shop.order", when=tx.input("a") == 1), "a condition asks what earlier steps"),
        (lambda tx, one: tx.step("shop.order", when=one["a"] == one["b"]), "compares with values and inputs"),
        (lambda tx, one: tx.step("shop.order", after=Transaction().step("shop.x")), "steps.order.after.0: "),
        (lambda tx, one: tx.step("shop.order", text="{" + f"{one}"), "steps.order.params.text: "),
        (lambda tx, one: one["a b"], "'a b' is no field"),
        (lambda tx, one: f"{one['total']:.2f}", "'.2f' cannot format it"),
        (lambda tx, one: tx.input("a", set), "inputs.a: there is no type 'set'"),
        (lambda tx, one: [tx.input("a"), tx.input("a")], "inputs.a: there are two"),
        (lambda tx, one: Transaction("An order").definition(), "definition: "),
    ],
)
def test_a_mistake_is_refused_by_name(wrong: Any, message: str) -> None:
    tx = Transaction()
    with pytest.raises(InvalidInput) as refused:
        wrong(tx, tx.step("shop.one"))
    assert message in refused.value.message


@pytest.mark.parametrize(("name", "message"), [("undo", "step.compensation"), ("order_id", "'order_id'")])
def test_an_attribute_that_a_step_lacks_is_refused_with_what_to_write(name: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        getattr(step, name)


@pytest.mark.parametrize("mistake", [lambda one: bool(one), lambda one: 1 < one["a"] < 3, lambda one: list(one)])
def test_what_is_not_known_yet_cannot_be_decided_upon(mistake: Any) -> None:
    with pytest.raises(TypeError):
        mistake(Transaction().step("shop.one"))


def test_parameters_called_like_options_go_into_params() -> None:
    tx = Transaction()
    tx.step("shop.one", at="2026-01-02", params={"name": "a", "timeout_s": 1})
    assert tx.steps()[0].params == {"name": "a", "timeout_s": 1, "at": "2026-01-02"}


@pytest.mark.parametrize("value", [datetime(2026, 1, 2, tzinfo=UTC), {3}, float("nan"), {1: "a"}, "\ud800", b"a"])
def test_a_value_that_json_has_not_is_refused_where_it_is_given(value: object) -> None:
    with pytest.raises(InvalidInput, match=r"^steps\.one\.params\.at\.here\[0\]: "):
        Transaction().step("shop.one", at={"here": [value]})
    with pytest.raises(InvalidInput, match=r"^inputs\.a\.default: "):
        Transaction().input("a", "any", default=value)
