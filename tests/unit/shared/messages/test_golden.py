"""The bytes on the wire are a promise: a node of last year's release reads them.

When a change is meant, and only then, write the files anew with `FLEETFOLD_WRITE_GOLDEN=1` and look at the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from fleetfold_shared.messages import Message, encode
from support.golden import SAMPLES, kinds

GOLDEN = Path(__file__).parent / "golden"
every_message = pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)


def _golden(kind: type[msgspec.Struct]) -> bytes:
    file = GOLDEN / f"{kind.__name__}.json"
    if os.environ.get("FLEETFOLD_WRITE_GOLDEN") == "1":
        file.write_bytes(encode(SAMPLES[kind]) + b"\n")
    return file.read_bytes().rstrip(b"\n")


@every_message
def test_the_bytes_of_a_message_do_not_change(kind: type[msgspec.Struct]) -> None:
    assert encode(SAMPLES[kind]) == _golden(kind)


@every_message
def test_the_bytes_of_a_message_are_read_back(kind: type[msgspec.Struct]) -> None:
    assert msgspec.json.decode(_golden(kind), type=kind) == SAMPLES[kind]


@every_message
def test_every_optional_field_is_in_the_golden_bytes(kind: type[msgspec.Struct]) -> None:
    sample = SAMPLES[kind]
    optional = [f for f in msgspec.structs.fields(kind) if not f.required and f.name != "v"]
    defaults = {f.name: f.default if f.default is not msgspec.NODEFAULT else f.default_factory() for f in optional}
    assert [name for name, default in defaults.items() if getattr(sample, name) == default] == []


def test_no_golden_file_stands_for_a_message_that_is_gone() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == {kind.__name__ for kind in kinds()}


@every_message
def test_a_message_is_frozen(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert issubclass(kind, Message) or "v" not in kind.__struct_fields__
