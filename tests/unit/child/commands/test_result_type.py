"""Return types: those that JSON cannot carry are refused at declaration, and the others are described."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fleetfold_child.commands.actions import Action, action
from fleetfold_child.commands.context import Context
from fleetfold_shared.errors import InvalidInput


class Socket:
    pass


class Sku(str):
    __slots__ = ()


class Receipt(msgspec.Struct, frozen=True):
    sku: str
    parent: Receipt | None = None


class Refund(msgspec.Struct):
    total: int


@dataclass
class Holder:
    sockets: list[Socket]


def _declare(kind: Any) -> Action[..., Any]:
    async def run(ctx: Context) -> Any: ...

    run.__annotations__["return"] = kind
    return action(run)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Socket, "Socket"),
        (object, "object"),
        (complex, "complex"),
        (Holder, "Socket"),
        (dict[str, Socket], "Socket"),
        (Receipt | Socket, "Socket"),
        (Socket | None, "Socket"),
        (list[tuple[int, complex]], "complex"),
        (Iterator[int], "Iterator"),
        (Callable[[], int], "Callable"),
    ],
)
def test_a_type_without_a_form_in_json_is_refused_at_declaration(kind: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=f"run: it returns {named}, which has no form in JSON; return a dict"):
        _declare(kind)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Any, None),
        (Receipt | Any, None),
        (dict[str, Receipt | Refund], None),
        (Sku, None),
        (None, {"type": "null"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (Decimal, {"type": "string", "format": "decimal"}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (dict, {"type": "object"}),
        (str | int, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ],
)
def test_other_types_are_described_as_far_as_they_tell(kind: Any, schema: Any) -> None:
    assert _declare(kind).info.result == schema


def test_an_object_is_described_with_what_it_refers_to() -> None:
    found = _declare(Receipt | Refund).info.result
    assert found is not None
    assert found["anyOf"] == [{"$ref": "#/$defs/Receipt"}, {"$ref": "#/$defs/Refund"}]
    assert set(found["$defs"]) == {"Receipt", "Refund"}


def test_without_an_annotation_nothing_is_known() -> None:
    @action
    async def run(ctx: Context):  # type: ignore[no-untyped-def]  # what this test is about
        return 1

    assert run.info.result is None
