"""Actions: described from their signature, bad parameters refused by name."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest

from fleetfold_child.commands.actions import Action, Actions, action
from fleetfold_child.commands.context import Context
from fleetfold_shared.errors import Conflict, FleetfoldError, InvalidInput


class Line(msgspec.Struct):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)] = 1


@action
async def order(ctx: Context, customer: str, lines: list[Line], note: str = "", tags: list[str] = ["new"]) -> int:  # noqa: B006
    """Place an order.

    With details nobody wants in a summary.
    """
    return len(lines)


@action(kind="once", timeout=5, name="ring")
async def ring_bell(ctx: Context, *, at: datetime | None = None, times: int = 1) -> None:
    """Ring."""


def test_an_action_describes_itself() -> None:
    assert (order.info.name, order.info.kind, order.info.timeout_s) == ("order", "idempotent", 30.0)
    assert order.info.summary == "Place an order."
    assert (ring_bell.info.name, ring_bell.info.kind, ring_bell.info.timeout_s) == ("ring", "once", 5.0)
    assert order.info.schema["required"] == ["customer", "lines"]
    assert order.info.schema["additionalProperties"] is False


def test_the_schema_accepts_what_the_node_accepts() -> None:
    valid = jsonschema_rs.validator_for(order.info.schema)
    good = {"customer": "C-1", "lines": [{"sku": "TNT-1"}]}
    assert valid.is_valid(good)
    assert order.parameters.decode(good) == {
        "customer": "C-1", "lines": [Line("TNT-1")], "note": "", "tags": ["new"],
    }  # fmt: skip
    assert not valid.is_valid({**good, "lines": [{"sku": 3}]})
    assert not valid.is_valid({**good, "other": 1})


async def test_calling_an_action_calls_its_function() -> None:
    assert await order(Context(node="shop", command_id="1"), "C-1", [Line("a"), Line("b")]) == 2


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({"customer": 3, "lines": []}, "customer", "customer: Expected `str`, got `int`"),
        ({"customer": "C", "lines": [{"sku": "a", "quantity": "2"}]}, "lines[0].quantity", "Expected `int`, got `str`"),
        ({"customer": "C", "lines": [{"sku": "a", "quantity": 0}]}, "lines[0].quantity", ">= 1"),
        ({"customer": "C"}, "lines", "lines: order needs this parameter"),
        (
            {"customer": "C", "lines": [], "x": 1},
            "x",
            "x: order has no such parameter; it takes customer, lines, note, tags",
        ),
    ],
)
def test_a_bad_parameter_is_refused_by_name(params: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        order.parameters.decode(params)
    assert refusal.value.field == field
    assert said in refusal.value.message


async def _untyped(ctx: Context, a) -> None: ...  # type: ignore[no-untyped-def]
async def _variadic(ctx: Context, *a: int) -> None: ...
async def _alone() -> None: ...
async def _without_context(sku: str, quantity: int = 1) -> None: ...
async def _without_type(sku, quantity: int = 1) -> None: ...  # type: ignore[no-untyped-def]
async def _by_name_only(*, ctx: Context) -> None: ...
async def _several(*ctx: Context) -> None: ...
async def _method(self, ctx: Context) -> None: ...  # type: ignore[no-untyped-def]
async def _fine(ctx: Context, a: int = 1) -> None: ...
async def _other(ctx: Context, b: int = 1) -> None: ...
def _sync(ctx: Context) -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (_untyped, {}, "'a' needs a type"),
        (_variadic, {}, "cannot be passed by name"),
        (_alone, {}, "first parameter must be the context"),
        (_without_context, {}, "not sku: 'str'; write async def _without_context"),
        (_without_type, {}, "first parameter must be the context, not sku; write async def _without_type"),
        (_by_name_only, {}, "first parameter must be the context, not ctx: "),
        (_several, {}, "first parameter must be the context, not \\*ctx: "),
        (_method, {}, "first parameter must be the context, not self"),
        (_sync, {}, "must be an async function"),
        (_fine, {"name": "Ring"}, "not a usable name"),
        (_fine, {"kind": "twice"}, "there is no kind 'twice'"),
        (_fine, {"timeout": 0}, "timeout must be more than 0"),
        (_fine, {"check": _other}, "no parameter of fine"),
        (_fine, {"check": _fine, "kind": "transactional"}, "needs no check"),
    ],
)
def test_a_function_that_will_not_do_is_refused(
    function: Callable[..., Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        action(**{"name": "fine", **options})(function)


async def _by_custom(context, a: int = 1) -> None: ...  # type: ignore[no-untyped-def]
async def _unused(_ctx: Context) -> None: ...
async def _any(it: Any, a: int = 1) -> None: ...


@pytest.mark.parametrize("function", [_by_custom, _unused, _any])
def test_the_context_may_have_any_name_that_says_so(function: Callable[..., Any]) -> None:
    assert action(name="fine")(function).info.name == "fine"


def test_a_check_whose_first_parameter_is_not_the_context_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the check of fine: its first parameter must be the context, not a: 'int'"):
        action(name="fine", check=_only_a)(_fine)


async def _only_a(a: int) -> None: ...


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    found = types.ModuleType("applications.shop")
    found.order, found.ALL, found.ring = order, [order, ring_bell], ring_bell  # type: ignore[attr-defined]
    found.number = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "applications", types.ModuleType("applications"))
    monkeypatch.setitem(sys.modules, "applications.shop", found)
    return found


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("applications.shop", ["order", "ring"]),
        ("applications.shop:ALL", ["order", "ring"]),
        ("applications.shop:order", ["order"]),
    ],
)
def test_actions_are_loaded_by_name(module: types.ModuleType, target: str, names: list[str]) -> None:
    actions = Actions()
    actions.load(target)
    assert [info.name for info in actions.infos()] == names


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("applications.nowhere", "there is no such module"),
        ("applications.shop:nothing", "applications.shop has no 'nothing'"),
        ("applications.shop:number", "3 is not an action"),
        ("applications", "no actions in it"),
        ("", "its import failed"),
    ],
)
def test_actions_that_cannot_be_loaded_are_refused_in_one_line(
    module: types.ModuleType, target: str, said: str
) -> None:
    with pytest.raises(FleetfoldError) as refusal:
        Actions().load(target)
    assert said in refusal.value.message
    assert "\n" not in refusal.value.message


def test_a_module_that_breaks_at_import_is_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_shop.py").write_text("import nowhere_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidInput, match="its import failed: ModuleNotFoundError: No module named 'nowhere_at_all'"):
        Actions().load("broken_shop")


def test_two_actions_of_one_name_are_refused() -> None:
    other: Action[Any, Any] = action(name="order")(_fine)
    with pytest.raises(Conflict, match="order: there are two actions of that name"):
        Actions([order, ring_bell], other)
    assert len(Actions(order, [order])) == 1
