"""`key=value` as people type it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_cli.parsing.assignments import assignment, labels, pair, values
from fleetfold_shared.errors import InvalidInput


def read(word: str, schema: dict[str, Any] | None = None) -> Any:
    whole = None if schema is None else {"type": "object", "properties": {"key": schema}}
    return values([assignment(word)], whole)["key"]


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("12", None, 12),
        ("true", None, True),
        ("[1, 2]", None, [1, 2]),
        ("a tent", None, "a tent"),
        ("", None, ""),
        ("12", {"type": "string"}, "12"),
        ("null", {"type": "string"}, "null"),
        ('"x"', {"type": "string"}, '"x"'),
        ("12", {"type": "integer"}, 12),
        ("twelve", {"type": "integer"}, "twelve"),
        ("12", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "12"),
        ("null", {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ("12", {"type": ["string", "integer"]}, 12),
        ("12", {"type": ["string", "number"]}, 12),
        ("1", {"enum": ["1", "2"]}, "1"),
        ("1", {"enum": [1, 2]}, 1),
        ("12", {}, 12),
    ],
)
def test_a_value_is_read_as_the_schema_has_it(text: str, schema: dict[str, Any] | None, value: object) -> None:
    found = read(f"key={text}", schema)
    assert found == value
    assert type(found) is type(value)


def test_colon_equals_is_json_whatever_the_schema_says() -> None:
    assert read("key:=12", {"type": "string"}) == 12
    assert read('key:={"a": "b=c"}') == {"a": "b=c"}


def test_all_behind_the_first_equals_sign_is_the_value() -> None:
    assert read("key=a=b:=c") == "a=b:=c"


def test_a_schema_may_stand_under_its_definitions() -> None:
    schema = {
        "$ref": "#/$defs/act",
        "$defs": {"act": {"properties": {"key": {"$ref": "#/$defs/size"}}}, "size": {"enum": ["1"]}},
    }
    assert values([assignment("key=1")], schema) == {"key": "1"}


def test_a_schema_that_refers_to_itself_is_left_at_some_depth() -> None:
    schema = {"properties": {"key": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 2}}}
    assert values([assignment("key=1")], schema) == {"key": 1}


@pytest.mark.parametrize("word", ["key", "=value", ":=1", ""])
def test_a_word_without_a_key_or_an_equals_sign_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="write key=value"):
        assignment(word)


def test_bad_json_and_a_key_given_twice_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="key: not JSON") as refused:
        read("key:={")
    assert refused.value.field == "key"
    with pytest.raises(InvalidInput, match="key: given twice"):
        values([assignment("key=1"), assignment("key=2")], None)


@given(st.text())
def test_a_text_parameter_comes_through_as_it_was_typed(text: str) -> None:
    assert read(f"key={text}", {"type": "string"}) == text


def test_labels_are_texts() -> None:
    assert labels(["zone=eu", "size=1"]) == {"zone": "eu", "size": "1"}
    with pytest.raises(InvalidInput, match="label: 'zone'") as refused:
        pair("zone", "label")
    assert refused.value.field == "label"
