"""Reading what others send: tolerant of what is new and harmless, plain about what is wrong."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import PROTOCOL, Command, Heartbeat, Message, Run, Search, Transact, decode, encode
from support.golden import SAMPLES, kinds

MESSAGES = [kind for kind in kinds() if issubclass(kind, Message)]
COMMAND = {"id": "a", "attempt": 1, "action": "reindex"}


def _read(kind: type[Message], value: Any) -> Message:
    return decode(json.dumps(value).encode(), kind)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_field_of_a_newer_release_is_passed_over(kind: type[Message]) -> None:
    value = json.loads(encode(SAMPLES[kind])) | {"of_tomorrow": {"deep": [1]}}
    assert _read(kind, value) == SAMPLES[kind]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_newer_protocol_is_refused_in_so_many_words(kind: type[Message]) -> None:
    value = json.loads(encode(SAMPLES[kind])) | {"v": PROTOCOL + 1}
    with pytest.raises(InvalidInput, match=rf"v: this side speaks protocol {PROTOCOL}, .*upgrade") as refused:
        _read(kind, value)
    assert refused.value.field == "v"


def test_a_message_without_a_version_is_of_the_first() -> None:
    assert _read(Command, COMMAND).v == 1
    assert b'"v"' not in encode(Command(id="a", attempt=1, action="x"))


def test_nested_values_of_the_wire_tolerate_new_fields_too() -> None:
    description = {"incarnation": "i", "version": "1", "of_tomorrow": 1}
    assert decode(json.dumps({"seq": 1, "description": description}).encode(), Heartbeat).description.version == "1"


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        (Command, COMMAND | {"attempt": "1"}, "attempt"),
        (Command, COMMAND | {"attempt": True}, "attempt"),
        (Command, COMMAND | {"params": []}, "params"),
        (Command, COMMAND | {"v": "1"}, "v"),
        (Heartbeat, {"seq": 1, "description": {"incarnation": "i", "version": 2}}, "description.version"),
        (Search, {"query": "x", "filter": {"field": "a", "op": "like"}}, "filter.op"),
        (Transact, {"id": "t", "steps": [{"name": "a", "node": "n", "action": 1}]}, "steps[0].action"),
    ],
)
def test_a_wrong_type_is_refused_by_the_name_of_its_field(kind: type[Message], value: Any, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{field.replace('[', chr(92) + '[')}: ") as refused:
        _read(kind, value)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        (Search, {"query": "x" * 100_001}, "query"),
        (Search, {"query": "x", "timeout_ms": 60_001}, "timeout_ms"),
        (Run, {"id": "", "action": "a"}, "id"),
        (Run, {"id": "no spaces", "action": "a"}, "id"),
        (Run, {"id": "a", "action": "a", "timeout_s": 0}, "timeout_s"),
        (Transact, {"id": "t", "steps": []}, "steps"),
        (Transact, {"id": "t", "steps": [{"name": "A", "node": "n", "action": "a"}]}, "steps[0].name"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_the_name_of_its_field(kind: type[Message], value: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _read(kind, value)
    assert refused.value.field == field


def test_a_misspelt_key_of_a_step_or_a_filter_is_refused_and_not_passed_over() -> None:
    step = {"name": "a", "node": "n", "action": "x", "rolback": {"action": "y"}}
    with pytest.raises(InvalidInput, match="rolback"):
        _read(Transact, {"id": "t", "steps": [step]})
    with pytest.raises(InvalidInput, match="filed"):
        _read(Search, {"query": "x", "filter": {"filed": "price"}})


def test_a_key_by_its_former_name_is_refused_with_the_present_one() -> None:
    step = {"name": "a", "node": "n", "action": "x", "undo": {"action": "y"}}
    with pytest.raises(InvalidInput, match=r"steps\[0\]\.undo: there is no such key; it is called 'rollback' now"):
        _read(Transact, {"id": "t", "steps": [step]})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidInput, match="attempt") as refused:
        _read(Command, {"id": "a", "action": "x"})
    assert refused.value.field == "attempt"


@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_but_invalid_input(data: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        decode(data, Command)


@pytest.mark.parametrize(
    "data",
    [
        b'{"id":"\xff","attempt":1,"action":"x"}',
        b'{"id":"a","attempt":1,"action":"x","params":{"deep":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    ],
    ids=["not UTF-8", "nested too deeply"],
)
def test_a_hostile_body_is_refused_like_any_other(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode(data, Command)
