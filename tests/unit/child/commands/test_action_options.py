"""What an action says of its work: shown to the fleet, and refused at its declaration when it will not do."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import RetryPolicy


async def wipe(ctx: Context) -> None:
    """Forget everything."""


def test_the_fleet_is_told_of_it() -> None:
    policy = RetryPolicy(attempts=3, on=["OSError"])
    made = action(destructive=True, slots=2, heartbeat=30, retry=policy, cancel_grace=0, timeout=86_400 * 3)(wipe)
    info = made.info
    assert (info.destructive, info.slots, info.heartbeat_s, info.retry) == (True, 2, 30, policy)
    assert (info.timeout_s, made.cancel_grace_s) == (259_200.0, 0.0)
    plain = action(wipe)
    assert (plain.info.destructive, plain.info.slots, plain.info.heartbeat_s, plain.info.retry) == (
        False, None, None, None,
    )  # fmt: skip
    assert plain.cancel_grace_s == 5.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slots": 0}, "wipe: slots must be a whole number of at least 1, not 0"),
        ({"slots": True}, "wipe: slots must be"),
        ({"slots": 1.5}, "wipe: slots must be"),
        ({"heartbeat": 0}, "wipe: heartbeat must be more than 0 seconds, not 0"),
        ({"heartbeat": float("nan")}, "wipe: heartbeat must be"),
        ({"cancel_grace": -1}, "wipe: cancel_grace must be 0 seconds or more, not -1"),
        ({"cancel_grace": float("inf")}, "wipe: cancel_grace must be"),
        ({"timeout": 0}, "wipe: timeout must be more than 0 seconds, not 0"),
        ({"timeout": float("inf")}, "wipe: timeout must be"),
        ({"destructive": "yes"}, "wipe: destructive must be True or False, not 'yes'"),
        ({"retry": RetryPolicy(attempts=0)}, "wipe: retry: Expected `int` >= 1 - at `$.attempts`"),
        ({"retry": RetryPolicy(jitter=2)}, "wipe: retry: Expected `float` <= 1"),
        ({"retry": RetryPolicy(attempts=2), "kind": "once"}, "wipe: retry: a 'once' action is never tried again"),
    ],
)
def test_what_will_not_do_is_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        action(**options)(wipe)
    assert said in refused.value.message


def test_once_may_be_tried_once() -> None:
    assert action(kind="once", retry=RetryPolicy())(wipe).info.kind == "once"
