"""When a failed command is tried again, and after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.retry_policy import TIMEOUT, names_of, pause_s, policy_of
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import RetryPolicy
from support.executors import command, compensation_of

EVEN = RetryPolicy(attempts=4, backoff_s=1.0, backoff_max_s=3.0, jitter=0.0)


def steady() -> float:
    return 0.5


def test_the_wait_doubles_up_to_the_most() -> None:
    waits = [pause_s(EVEN, tried, names_of(OSError()), steady) for tried in (1, 2, 3, 4)]
    assert waits == [1.0, 2.0, 3.0, None]


@given(
    attempts=st.integers(2, 1000), backoff=st.floats(0, 86_400), most=st.floats(0, 86_400), jitter=st.floats(0, 1),
    chance=st.floats(0, 1), data=st.data(),
)  # fmt: skip
def test_a_random_share_of_the_wait_is_left_out_and_no_more(
    attempts: int, backoff: float, most: float, jitter: float, chance: float, data: st.DataObject
) -> None:
    policy = RetryPolicy(attempts=attempts, backoff_s=backoff, backoff_max_s=most, jitter=jitter)
    tried = data.draw(st.integers(1, attempts - 1))
    whole = pause_s(policy, tried, TIMEOUT, lambda: 0.0)
    wait = pause_s(policy, tried, TIMEOUT, lambda: chance)
    assert whole is not None
    assert wait is not None
    assert whole <= most
    assert whole * (1 - jitter) * 0.999 <= wait <= whole


@pytest.mark.parametrize(
    ("on", "names", "again"),
    [
        ([], names_of(ValueError()), True),
        ([], TIMEOUT, True),
        ([], frozenset(), False),
        (["ConnectionResetError"], names_of(ConnectionResetError()), True),
        (["ConnectionError"], names_of(ConnectionResetError()), True),
        (["OSError", "KeyError"], names_of(ConnectionResetError()), True),
        (["ConnectionError"], names_of(ValueError()), False),
        (["unavailable"], names_of(Unavailable("away")), True),
        (["Unavailable"], names_of(Unavailable("away")), True),
        (["not_found"], names_of(Unavailable("away")), False),
        (["timeout"], TIMEOUT, True),
        (["timeout"], names_of(TimeoutError()), False),
        (["ValueError"], TIMEOUT, False),
    ],
)
def test_a_policy_names_what_is_worth_another_try(on: list[str], names: frozenset[str], again: bool) -> None:
    policy = RetryPolicy(attempts=2, on=on)
    assert (pause_s(policy, 1, names, steady) is not None) == again


def test_the_policy_of_the_call_comes_first_and_an_undoing_has_none() -> None:
    @action(retry=EVEN)
    async def order(ctx: Context) -> None: ...

    mine = RetryPolicy(attempts=9)
    called = command("a", "order")
    assert policy_of(order, called) is EVEN
    assert policy_of(order, type(called)(id="a", attempt=1, action="order", retry=mine)) is mine
    assert policy_of(order, compensation_of("a", "order")) is None
