"""A result of types that JSON has not gets the form that the pages promise for it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.result_encoding import returned


@action
async def look_up(ctx: Context) -> Any: ...


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({2}, [2]),
        ((1, "a"), [1, "a"]),
        (datetime(2026, 11, 30, 12, tzinfo=UTC), "2026-11-30T12:00:00Z"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"x", "eA=="),
        ({7: "a"}, {"7": "a"}),
        (2**80, 2**80),
    ],
    ids=repr,
)
def test_what_json_has_no_type_for_gets_its_usual_form(value: Any, result: Any) -> None:
    outcome = returned(value, look_up, 1000)
    assert (outcome.outcome, msgspec.json.decode(msgspec.json.encode(outcome.result))) == ("ok", result)
