"""Definitions over a real database: what is kept is never changed, and what runs keeps what it was made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.transaction_verbs import TransactionVerbs
from fleetfold_master.definitions import Definitions
from fleetfold_master.store import Store
from fleetfold_master.transactions import Transactions
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict, FleetfoldError, Forbidden, InvalidInput, NotFound
from fleetfold_shared.messages import Definition, Filter, Rollback, Scopes, StepSpec, Transact, TransactionView
from support.master import Doctor, Outbox, answer, registry

RESERVE = StepSpec(
    name="reserve", node="shop", action="reserve", params={"sku": "{{inputs.sku}}", "quantity": "{{inputs.quantity}}"},
    rollback=Rollback("release", {"order": "{{id}} of {{inputs.sku}}"}),
)  # fmt: skip
NOTE = StepSpec(
    name="tell", node="crm", action="note", params={"text": "{{inputs.sku}}: {{steps.reserve.id}}"},
    when=Filter("steps.reserve.left", "lt", "{{inputs.low}}"),
)  # fmt: skip
ORDER = Definition(
    name="order", steps=[RESERVE, NOTE], within_s=60.0,
    inputs={"sku": "str", "quantity": {"type": "integer", "minimum": 1, "default": 1}, "low": "int"},
)  # fmt: skip
ANN = Principal("ann", "operator")


class Room:
    """A master's transactions and definitions."""

    def __init__(self, store: Store) -> None:
        self.clock, self.outbox = ManualClock(), Outbox()
        self.nodes = registry(("shop", "active"), ("crm", "active"))
        self.definitions = Definitions(store, self.clock, self.nodes.get)
        self.transactions = Transactions(store, self.outbox, self.clock, Doctor(), self.nodes.get)
        handlers = TransactionVerbs(self.transactions, self.definitions).bindings()
        self.handlers = {binding.verb.name: binding for binding in handlers}

    async def run(self, named: str, tx: str = "t1", who: Principal = ANN, **inputs: Any) -> TransactionView:
        view: TransactionView = await self.handlers["transactions.run"].answer(
            Transact(id=tx, definition=named, inputs=inputs), who
        )
        return view


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    room = Room(store)
    yield room
    await room.transactions.close()
    await store.close()


async def test_other_content_is_another_version_and_the_same_is_the_same(room: Room) -> None:
    kept = [await room.definitions.put(one, "ann") for one in (ORDER, ORDER, replace(ORDER, about="Order one."), ORDER)]
    assert [(one.version, one.fresh) for one in kept] == [(1, True), (1, False), (2, True), (3, True)]
    checked = await room.definitions.put(replace(ORDER, about="new"), "ann", dry_run=True)
    assert (checked.version, checked.fresh) == (4, True)
    newest, second = await room.definitions.get("order"), await room.definitions.get("order", 2)
    assert (newest.version, newest.definition, newest.created_by) == (3, ORDER, "ann")
    assert second.definition.about == "Order one."
    assert [one.version for one in await room.definitions.newest()] == [3]


async def test_versions_put_at_the_same_time_have_numbers_of_their_own(room: Room) -> None:
    puts = (room.definitions.put(replace(ORDER, about=str(n)), "ann") for n in range(5))
    assert sorted(one.version for one in await asyncio.gather(*puts)) == [1, 2, 3, 4, 5]


async def test_inputs_are_filled_into_params_rollbacks_and_conditions(room: Room) -> None:
    await room.definitions.put(ORDER, "ann")
    view = await room.run("order", sku="{{x}}", low=3)
    assert (view.name, view.definition) == ("order", "order@1")
    [(_, reserve)] = room.outbox.take()
    assert reserve.params == {"sku": "{{x}}", "quantity": 1}
    await room.transactions.on_result("shop", answer(reserve, result={"id": "o7", "left": 2}))
    [(_, note)] = room.outbox.take()
    assert note.params == {"text": "{{x}}: o7"}
    await room.transactions.on_result("crm", answer(note, "failed"))
    [(_, compensation)] = room.outbox.take()
    assert compensation.params == {"order": "{{id}} of \\{{x}}"}  # the node fills the rest
    assert (await room.transactions.get("t1")).definition == "order@1"


async def test_a_condition_on_an_input_leaves_a_step_out(room: Room) -> None:
    await room.definitions.put(ORDER, "ann")
    await room.run("order@1", sku="a", quantity=2, low=1)
    [(_, reserve)] = room.outbox.take()
    await room.transactions.on_result("shop", answer(reserve, result={"id": "o7", "left": 2}))
    assert [step.state for step in (await room.transactions.get("t1")).steps] == ["done", "skipped"]


async def test_the_same_id_is_the_same_transaction_whatever_became_of_its_definition(room: Room) -> None:
    await room.definitions.put(ORDER, "ann")
    await room.run("order", sku="a", low=1)
    await room.definitions.put(replace(ORDER, steps=[RESERVE], inputs={**ORDER.inputs, "more": "str"}), "ann")
    assert (await room.run("order", sku="a", low=1)).definition == "order@1"
    with pytest.raises(InvalidInput, match=r"inputs\.more: missing"):
        await room.run("order", "t2", sku="a", low=1)
    assert await room.definitions.remove("order") == 2
    assert (await room.run("order", sku="a", low=1)).definition == "order@1"
    with pytest.raises(NotFound, match="no definition 'order'"):
        await room.run("order", "t2", sku="a", low=1)
    with pytest.raises(NotFound, match="'order@1' was removed"):
        await room.run("order@1", "t2", sku="a", low=1)
    [(_, reserve)] = room.outbox.take()
    await room.transactions.on_result("shop", answer(reserve, result={"id": "o7", "left": 0}))
    assert [node for node, _ in room.outbox.take()] == ["crm"]  # it goes on as it was


async def test_other_inputs_under_the_same_id_are_a_conflict(room: Room) -> None:
    await room.definitions.put(ORDER, "ann")
    await room.run("order", sku="a", low=1)
    with pytest.raises(Conflict):
        await room.run("order", sku="b", low=1)


async def test_what_was_removed_is_the_same_version_when_it_is_put_again(room: Room) -> None:
    await room.definitions.put(ORDER, "ann")
    await room.definitions.remove("order")
    assert await room.definitions.newest() == []
    with pytest.raises(NotFound):
        await room.definitions.remove("order")
    again = await room.definitions.put(ORDER, "bob")
    assert (again.version, again.fresh) == (1, False)
    assert (await room.run("order", sku="a", low=1)).definition == "order@1"
    other = await room.definitions.put(replace(ORDER, about="new"), "bob")
    assert other.version == 2


async def test_what_the_fleet_lacks_now_is_a_warning_and_a_refusal_when_it_is_run(room: Room) -> None:
    del room.nodes["crm"]
    stored = await room.definitions.put(ORDER, "ann")
    assert [one.partition(":")[0] for one in stored.warnings] == ["steps.tell.node"]
    with pytest.raises(NotFound, match=r"steps\.tell\.node"):
        await room.run("order", sku="a", low=1)
    assert room.outbox.take() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"inputs": {"sku": "text"}}, "inputs.sku"),
        ({"inputs": {"sku": {"type": "text"}}}, "inputs.sku"),
        ({"inputs": {"sku": {"type": "string", "default": 3}}}, "inputs.sku"),
        ({"inputs": {"sku": "str", "low": "int"}}, "steps.reserve.params"),
        ({"steps": [replace(RESERVE, rollback=Rollback("release", {"order": "{{inputs.x}}"}))]}, "steps.reserve.rollb"),
        ({"steps": [RESERVE, RESERVE]}, "steps.reserve.name"),
        ({"steps": [replace(NOTE, params={"text": "{{steps.x.y}}"})]}, "steps.tell.params"),
        ({"steps": [replace(RESERVE, depends_on=["x"])]}, "steps.reserve.depends_on"),
    ],
)
async def test_what_can_never_run_is_not_kept(room: Room, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await room.definitions.put(replace(ORDER, **changes), "ann")
    assert (refused.value.field or "").startswith(field)
    assert refused.value.message.startswith(field)
    assert await room.definitions.newest() == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"low": 1}, "inputs.sku: missing; order needs it"),
        ({"low": 1, "sku": 7}, 'inputs.sku: 7 is not of type "string"'),
        ({"low": 1, "sku": "a", "quantity": 0}, "inputs.quantity: 0 is less than the minimum of 1"),
        ({"low": 1, "sku": "a", "x": 1}, "inputs.x: unknown parameter; order takes sku, quantity, low"),
    ],
)
async def test_inputs_that_do_not_fit_are_refused_by_name(room: Room, inputs: dict[str, Any], message: str) -> None:
    await room.definitions.put(ORDER, "ann")
    with pytest.raises(InvalidInput) as refused:
        await room.run("order", **inputs)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (Transact(id="t1"), InvalidInput, "steps: there are none"),
        (Transact(id="t1", steps=[RESERVE], definition="order"), InvalidInput, "definition: give steps, or"),
        (
            Transact(id="t1", steps=[NOTE], inputs={"low": [1], "sku": "a"}),
            InvalidInput,
            "steps.tell.params: {{steps.re",
        ),
        (Transact(id="t1", steps=[NOTE], inputs={"low": {}, "sku": "a"}), InvalidInput, "steps.tell.when: "),
        (Transact(id="t1", steps=[NOTE], inputs={"low": 1}), InvalidInput, "steps.tell.params: {{inputs.sku}}: there"),
        (Transact(id="t1", steps=[NOTE], inputs={"x": 1}), InvalidInput, "inputs.x: no step takes it"),
        (Transact(id="t1", definition="nothing"), NotFound, "name: there is no definition 'nothing'"),
    ],
)
async def test_an_ask_that_makes_no_sense_is_refused(
    room: Room, ask: Transact, error: type[FleetfoldError], message: str
) -> None:
    with pytest.raises(error) as refused:
        await room.handlers["transactions.run"].answer(ask, ANN)
    assert refused.value.message.startswith(message)


async def test_steps_may_have_inputs_without_a_definition(room: Room) -> None:
    steps = [replace(RESERVE, params={"sku": "{{inputs.sku}}"})]
    view = await room.handlers["transactions.run"].answer(Transact(id="t1", steps=steps, inputs={"sku": "a"}), ANN)
    assert view.definition is None
    [(_, reserve)] = room.outbox.take()
    assert reserve.params == {"sku": "a"}


async def test_who_may_not_run_a_step_may_not_run_it_by_a_name(room: Room) -> None:
    await room.definitions.put(ORDER, "ann")
    with pytest.raises(Forbidden, match=r"steps\.tell\.node"):
        await room.run("order", who=Principal("bob", "operator", Scopes(nodes=["shop"])), sku="a", low=1)
