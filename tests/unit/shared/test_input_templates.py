"""Inputs filled in first, and what was left then: as if both had been filled at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.templates import fill, fill_inputs, quote

PIECE = st.sampled_from(["{", "{{", "}}", "\\", "a", " ", "steps.a.id", "inputs.x", "{{steps.a.id}}", "\\{{"])
TEXT = st.lists(PIECE, max_size=6).map("".join)
PART = st.sampled_from(["a", "\\\\", "\\{{", " {{inputs.x}}", " {{steps.a.id}}", "{{inputs.x}}"])


@given(st.lists(PART, max_size=6).map("".join), TEXT, TEXT)
def test_an_input_is_data_whatever_it_holds(template: str, x: str, found: str) -> None:
    scope = {"inputs": {"x": x}, "steps": {"a": {"id": found}}}
    try:
        first = fill_inputs({"text": template}, scope["inputs"])
    except InvalidInput:  # «{» right before a placeholder
        assert x.endswith("{")
        return
    assert fill(first, {"steps": scope["steps"]}) == fill({"text": template}, scope)


@given(TEXT)
def test_what_is_quoted_comes_back(text: str) -> None:
    assert fill({"text": quote(text)}, {}) == {"text": text}


@given(TEXT, TEXT)
def test_what_is_quoted_may_stand_before_a_placeholder(text: str, value: str) -> None:
    try:
        template = quote(text, "a.id")
    except InvalidInput:
        assert text.endswith("{")
        return
    assert fill({"text": template}, {"a": {"id": value}}) == {"text": f"{text}{value}"}


@pytest.mark.parametrize("value", [7, 1.5, True, None, ["{{steps.a.id}}", 1], {"deep": ["{{x}}"]}])
def test_an_input_alone_keeps_its_type(value: Any) -> None:
    assert fill(fill_inputs({"all": "{{inputs.x}}"}, {"x": value}), {}) == {"all": value}


def test_an_input_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"\{\{inputs.y\}\}: there is no 'y'; inputs holds x"):
        fill_inputs({"text": "{{inputs.y}}"}, {"x": 1})
