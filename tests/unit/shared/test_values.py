"""Values arrive as they are, or are refused by their path."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter, Run, Search, decode
from fleetfold_shared.values import MAX_DEPTH, MAX_DIGITS, check_text, check_value, encode_exactly, round_tripped


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Other(Enum):
    ONE = "one"


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(min_value=2**62, max_value=2**300) | st.floats()
    | st.text(st.characters(exclude_categories=[])) | st.binary(max_size=3) | st.decimals() | st.datetimes()
    | st.dates() | st.timedeltas() | st.uuids() | st.complex_numbers() | st.sampled_from([*Colour, *Level, *Other])
)  # fmt: skip
KEYS = st.text(st.characters(exclude_categories=[]), max_size=5) | st.integers() | st.booleans() | st.none()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=12,
)


def as_lists(value: Any) -> Any:
    """The value with lists for tuples: all that a value may change on its way."""
    if isinstance(value, dict):
        return {key: as_lists(inner) for key, inner in value.items()}
    return [as_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def nested(deep: int) -> Any:
    value: Any = 1
    for _ in range(deep):
        value = [value]
    return value


@given(VALUES)
def test_any_python_value_comes_back_equal_or_is_refused_by_name(value: Any) -> None:
    run = Run(id="r", action="echo", params={"value": value})
    try:
        data = encode_exactly(run)
    except InvalidInput as error:
        refused = error.field or "nothing"
        event("refused")
    else:
        refused = None
        assert decode(data, Run).params == {"value": as_lists(value)}
        assert round_tripped(value, "value") == as_lists(value)
    assert refused is None or refused.startswith("params.value")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "params.value: nan is not a number that JSON has; leave it out"),
        ({"a": [1.5, -math.inf]}, "params.value.a[1]: -inf is not a number that JSON has; leave it out"),
        ({"a": {1: 2}}, "params.value.a: its key 1 is of type int; keys are texts in JSON"),
        ("tent \ud83d", "params.value: it is not valid Unicode (character 6 is half of a surrogate pair)"),
        ({"\ud83d": 1}, "params.value: a key: it is not valid Unicode"),
        pytest.param(10**MAX_DIGITS, "params.value: a whole number of more than 4300 digits cannot travel", id="long"),
        (nested(MAX_DEPTH + 1), "it is nested more than 100 deep"),
        (nested(100_000), "it is nested more than 100 deep"),
        ({1, 2}, "params.value: JSON has no values of type set; give a list"),
        (datetime(2026, 1, 2, tzinfo=UTC), "params.value: JSON has no values of type datetime; give its text"),
        (date(2026, 1, 2), "type date"),
        (timedelta(1), "type timedelta"),
        (Decimal("1.10"), "type Decimal; give its text, of `str()`"),
        (UUID(int=1), "type UUID"),
        (b"a", "type bytes"),
        (Other.ONE, "type Other"),
        (np.float64(1.5), "type float64; give `float(value)`"),
        (np.int64(1), "type int64"),
        (object(), "params.value: JSON has no values of type object; give a text, a number, a list or a dict"),
    ],
)  # fmt: skip
def test_what_json_cannot_carry_is_refused_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode_exactly(Run(id="r", action="echo", params={"value": value}))
    assert message in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "value",
    [
        2**64 + 1, -(2**63) - 1, pytest.param(10**MAX_DIGITS - 1, id="long"), -0.0, 1e16, 5e-324, "a\0b", "\u2028",
        (1, 2), Colour.RED, Level.LOW, OrderedDict(b=1, a=2), nested(MAX_DEPTH - 1), {"": None},
    ],
)  # fmt: skip
def test_what_json_has_is_carried_exactly(value: Any) -> None:
    run = decode(encode_exactly(Run(id="r", action="echo", params={"value": value})), Run)
    assert run.params == {"value": as_lists(value)}


def test_a_list_in_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidInput, match="nested more than 100 deep"):
        check_value(loop, "loop")


@pytest.mark.parametrize(
    ("search", "field"),
    [
        (Search(query="tent \ud83d"), "query"),
        (Search(query="tent", filter=Filter(any=[Filter(field="a", value=math.nan)])), "filter.any[0].value"),
        (Search(query="tent", filter=Filter(field="\ud800", value=1)), "filter.field"),
        (Search(query="tent", threshold=math.inf), "threshold"),
        (Search(query="tent", nodes=["\udcff"]), "nodes[0]"),
    ],
)
def test_a_question_is_refused_by_the_name_of_its_field(search: Search, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode_exactly(search)
    assert refused.value.field == field


def test_out_of_bounds_is_for_the_receiver_to_refuse() -> None:
    assert b'"timeout_ms":0' in encode_exactly(Search(query="tent", timeout_ms=0))


def test_a_text_of_undecodable_bytes_is_refused() -> None:
    check_text("grüße 🏕", "name")
    with pytest.raises(InvalidInput, match=r"^argument 2: it is not valid Unicode"):
        check_text(b"\xff".decode("utf-8", "surrogateescape"), "argument 2")
