"""Templates that ask for more than a message holds: refused while they are filled, before the memory is taken."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from fleetfold_master.definitions.expansion import expand
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter, Rollback, StepSpec
from fleetfold_shared.templates import MOST_BYTES, MOST_DEPTH, fill, fill_inputs, placeholders

BIG = {"big": "x" * 60_000}


def _nested(depth: int, inner: Any = 1) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "template",
    ["{{inputs.big}}" * 2000, ["{{inputs.big}}"] * 2000, [" {{inputs.big}}"] * 2000, {"k": ["a{{inputs}}b"] * 2000}],
    ids=["one-text", "whole", "inside", "as-json"],
)
@pytest.mark.parametrize("filling", [fill, fill_inputs])
def test_28_kb_of_placeholders_do_not_make_120_mb(template: Any, filling: Any) -> None:
    scope = BIG if filling is fill_inputs else {"inputs": BIG}
    tracemalloc.start()
    try:
        with pytest.raises(
            InvalidInput, match=r"\{\{inputs[.a-z]*\}\}: with it the parameters are over 1,048,576 bytes"
        ):
            filling({"p": template}, scope)
        assert tracemalloc.get_traced_memory()[1] < 8 * MOST_BYTES
    finally:
        tracemalloc.stop()


def test_what_fits_is_filled_as_often_as_it_fits() -> None:
    filled = fill({"p": ["{{a}}"] * 17}, {"a": BIG["big"]})
    assert filled == {"p": [BIG["big"]] * 17}
    with pytest.raises(InvalidInput):
        fill({"p": ["{{a}}"] * 18}, {"a": BIG["big"]})


def test_it_is_counted_as_it_will_be_sent() -> None:
    with pytest.raises(InvalidInput):  # each of them takes six bytes of JSON
        fill({"p": "{{a}}"}, {"a": "\x00" * (MOST_BYTES // 5)})


def test_the_steps_of_a_definition_share_one_message() -> None:
    step = StepSpec(name="s", node="shop", action="do", params={"p": "{{inputs.big}}"})
    half = {"big": "x" * (MOST_BYTES // 2 - 100)}
    assert expand([step], half)
    with pytest.raises(InvalidInput, match="steps"):
        expand([step, step, step], half)
    undone = StepSpec(name="s", node="shop", action="do", rollback=Rollback(action="undo", params=step.params))
    with pytest.raises(InvalidInput, match=r"rollback\.params"):
        expand([undone, undone, undone], half)
    asked = StepSpec(name="s", node="shop", action="do", when=Filter(field="a", op="eq", value="{{inputs.big}}"))
    with pytest.raises(InvalidInput, match="when"):
        expand([asked, asked, asked], half)


@pytest.mark.parametrize("filling", [fill, fill_inputs])
def test_what_lies_too_deep_is_refused_by_name(filling: Any) -> None:
    deep = {"deep": _nested(MOST_DEPTH - 1)}
    scope = deep if filling is fill_inputs else {"inputs": deep}
    assert filling({"p": "{{inputs.deep}}"}, scope) == {"p": deep["deep"]}
    with pytest.raises(InvalidInput, match=r"\{\{inputs\.deep\}\}: with it lists and objects lie more than 100 deep"):
        filling({"p": [["{{inputs.deep}}"]]}, scope)
    with pytest.raises(InvalidInput, match=r"\{\{inputs\.deep\}\}"):
        filling({"p": "{{inputs.deep}}"}, {"inputs": {"deep": _nested(5000)}, "deep": _nested(5000)})


def test_parameters_that_lie_too_deep_are_refused_before_anything_is_sent() -> None:
    for depth in (MOST_DEPTH + 1, 5000):
        with pytest.raises(InvalidInput, match="more than 100 deep"):
            placeholders({"p": _nested(depth, "{{a}}")})
        with pytest.raises(InvalidInput, match="more than 100 deep"):
            fill({"p": _nested(depth, "{{a}}")}, {"a": 1})


@pytest.mark.parametrize("place", ["9" * 5000, "²", "٣"])
def test_a_place_in_a_list_is_plain_digits(place: str) -> None:
    with pytest.raises(InvalidInput, match="there is no"):
        fill({"p": "{{a." + place + "}}"}, {"a": [1, 2, 3, 4]})


def test_a_value_that_json_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"\{\{a\}\}: it cannot be said in JSON"):
        fill({"p": "{{a}}"}, {"a": "\ud800"})
