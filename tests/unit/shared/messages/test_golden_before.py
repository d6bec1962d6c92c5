"""What the last landed version wrote is understood by this one: no field is lost, renamed or newly demanded.

`golden_before.jsonl` has each message of that version, one a line. It stays as it is within a series (before 1.0: a
minor version). When a series begins, and only then, it is written anew from the golden files as they are:
`FLEETFOLD_WRITE_GOLDEN=before`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold_shared import messages
from fleetfold_shared.messages import encode
from support.golden import kinds

HERE = Path(__file__).parent
BEFORE = HERE / "golden_before.jsonl"


class Line(msgspec.Struct):
    """A message of the version before, by the name of its class."""

    name: str
    message: msgspec.Raw


def _lines() -> list[Line]:
    if os.environ.get("FLEETFOLD_WRITE_GOLDEN") == "before":
        now = sorted((HERE / "golden").glob("*.json"))
        BEFORE.write_bytes(b"".join(b'{"name":"%s","message":%s}\n' % (file.stem.encode(), file.read_bytes().rstrip())
                                    for file in now))  # fmt: skip
    return msgspec.json.Decoder(Line).decode_lines(BEFORE.read_bytes())


LINES = _lines()


def lost(before: Any, now: Any, where: str = "") -> list[str]:
    """Paths of what `before` says and `now` does not."""
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(f"{where}.{key}", value, now.get(key)) for key, value in before.items()]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [(f"{where}[{number}]", *pair) for number, pair in enumerate(zip(before, now, strict=True))]
    else:
        return [] if before == now else [where]
    return [path for inner, one, other in pairs for path in lost(one, other, inner)]


@pytest.mark.parametrize("line", LINES, ids=[line.name for line in LINES])
def test_a_message_of_the_version_before_loses_nothing(line: Line) -> None:
    kind = getattr(messages, line.name, None)
    assert kind is not None, f"{line.name} is gone: a node of the version before still sends it"
    read = msgspec.json.decode(line.message, type=kind)
    assert lost(msgspec.json.decode(line.message), msgspec.json.decode(encode(read))) == []


def test_the_corpus_is_of_a_whole_version() -> None:
    assert len(LINES) > 150
    assert len({line.name for line in LINES}) == len(LINES)


def test_a_field_that_is_unknown_is_passed_over_where_no_user_writes_it() -> None:
    """So a node of the version before understands what this one adds."""
    for line in LINES:
        config = getattr(messages, line.name).__struct_config__
        if not config.forbid_unknown_fields and not config.array_like:
            more = msgspec.json.decode(line.message) | {"added_later": {"x": 1}}
            msgspec.json.decode(msgspec.json.encode(more), type=getattr(messages, line.name))


def test_what_users_write_travels_without_the_fields_that_they_left_out() -> None:
    """Unknown fields in it are refused as misspelt, so a version before refuses a new field only where it is used."""
    strict = {kind for kind in kinds() if kind.__struct_config__.forbid_unknown_fields}
    assert {kind.__name__ for kind in strict if not kind.__struct_config__.omit_defaults} == {"Judgement"}  # of masters


@pytest.mark.parametrize(
    ("before", "now", "paths"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 2], "d": 3}}, []),
        ({"a": 1}, {"b": 1}, [".a"]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"d": 1}]}}, [".a.b[0].c"]),
        ({"a": [1, 2]}, {"a": [1]}, [".a"]),
        ({"a": 1}, {"a": 2}, [".a"]),
    ],
)
def test_what_is_lost_is_found(before: object, now: object, paths: list[str]) -> None:
    assert lost(before, now) == paths
