"""The contract of balancing strategies: an order of all holders, the same for equal arguments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.plan.replica_balancing import BalancingStrategy, ReplicaPerformance, WeightedRendezvous
from fleetfold_master.search.plan.target_nodes import Key

STRATEGIES: list[BalancingStrategy] = [WeightedRendezvous()]

keys = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y"])), min_size=1, max_size=6, unique=True)
standings = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(
        ReplicaPerformance, st.none() | st.floats(0, 1e4), st.integers(0, 99), weight=st.floats(0.1, 10),
        open=st.booleans(),
    ),
)  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: type(one).__name__)
@given(st.text(), keys, standings)
def test_it_orders_all_holders_and_always_in_the_same_way(
    strategy: BalancingStrategy, query: str, holders: list[Key], known: dict[str, ReplicaPerformance]
) -> None:
    order = strategy.order(query, holders, known)
    assert sorted(order) == sorted(holders)
    assert strategy.order(query, holders[::-1], known) == order
