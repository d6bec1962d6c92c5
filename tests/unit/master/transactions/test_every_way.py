"""Three steps in two stages, explored exhaustively: no way of going wrong leaves the books unbalanced, or gets stuck.

`pytest -s` prints how many states that are. `FLEETFOLD_EXPLORE=1` explores all mishaps at once, which takes minutes;
`FLEETFOLD_EXPLORE=100000` about so many states of that, and says what it left out.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, deque

import pytest

from fleetfold_master.transactions import Step
from fleetfold_shared.messages import ActionKind, Rollback
from support.story import make_step
from support.universe import beginning, moves, violation
from support.universe_layers import explore_layers, way
from support.universe_state import Budget, State

pytestmark = pytest.mark.dear

PLAIN, FILLED = Rollback("undo"), Rollback("undo", {"order": "{{order_id}}"})
LOGGED_ROLLBACK = Rollback("undo", {"order": "{{log.order_id}}"})
MIXED: tuple[ActionKind, ...] = ("idempotent", "transactional", "once")

BUDGETS = [
    Budget(losses=1, duplicates=1, failures=1, timeouts=1),
    Budget(master_deaths=2, failures=1),
    Budget(master_deaths=1, timeouts=1),
    Budget(node_deaths=1, timeouts=1, failures=1),
    Budget(losses=1, node_deaths=1, failures=1),
    Budget(duplicates=2, node_deaths=1, failures=1),
    Budget(no_results=1, failures=1, timeouts=1),
    Budget(no_results=2, node_deaths=1),
    Budget(no_results=1, losses=1, duplicates=1, master_deaths=1),
]
PIVOTED = [
    Budget(no_results=3, failures=1),
    Budget(no_results=2, timeouts=1),
    Budget(no_results=1, node_deaths=1, losses=1),
    Budget(no_results=1, master_deaths=1, failures=1),
]
LOGGED = [
    Budget(node_deaths=1, failures=1, timeouts=1),
    Budget(master_deaths=1, failures=2),
    Budget(losses=1, duplicates=1, failures=1),
]
EVERYTHING = Budget(losses=1, duplicates=1, master_deaths=1, node_deaths=1, failures=1, timeouts=1)


def _steps(kinds: tuple[ActionKind, ...], *, by_log: bool = False) -> tuple[Step, ...]:
    a, b, c = kinds
    return (
        make_step("a", 0, kind=a, position=0, rollback=FILLED if a == "transactional" else PLAIN),
        make_step("b", 0, kind=b, position=1, rollback=LOGGED_ROLLBACK if by_log else FILLED),
        make_step("c", 1, kind=c, position=2, rollback=LOGGED_ROLLBACK if by_log else PLAIN),
    )


def _id(budget: Budget) -> str:
    return "-".join(k for k, v in budget._asdict().items() if v)


def _explore(steps: tuple[Step, ...], budget: Budget) -> dict[State, list[State]]:
    """Every state there is, and who leads to it. Fails at the first that is wrong."""
    before: dict[State, list[State]] = {state: [] for state in beginning(steps, budget)}
    queue = deque(before)
    while queue:
        state = queue.popleft()
        assert not (wrong := violation(state)), f"{wrong}:\n{way(before, state)}"
        for following in moves(state):
            if following not in before:
                before[following] = []
                queue.append(following)
            before[following].append(state)
    return before


def _stuck(before: dict[State, list[State]]) -> set[State]:
    """The states from which no way leads to an end."""
    ending = deque(state for state in before if state.tx.ended)
    reached = set(ending)
    while ending:
        for earlier in before[ending.popleft()]:
            if earlier not in reached:
                reached.add(earlier)
                ending.append(earlier)
    return before.keys() - reached


@pytest.mark.parametrize("budget", BUDGETS, ids=_id)
def test_every_way_ends_and_the_books_balance(budget: Budget, record_property: pytest.RecordProperty) -> None:
    before = _explore(_steps(MIXED), budget)
    assert not _stuck(before)
    _tell(before, budget, record_property)


@pytest.mark.parametrize("kind", MIXED)
def test_actions_of_one_kind_end_and_balance_too(kind: ActionKind, record_property: pytest.RecordProperty) -> None:
    budget = Budget(master_deaths=1, node_deaths=1, failures=1)
    before = _explore(_steps((kind, kind, kind)), budget)
    assert not _stuck(before)
    _tell(before, budget, record_property)


@pytest.mark.parametrize("kind", ["idempotent", "transactional", "once"])
@pytest.mark.parametrize("budget", LOGGED, ids=_id)
def test_what_noted_what_it_was_about_to_do_is_undone_by_that(
    kind: ActionKind, budget: Budget, record_property: pytest.RecordProperty
) -> None:
    before = _explore(_steps((kind, kind, kind), by_log=True), budget)
    assert not _stuck(before)
    _tell(before, budget, record_property)


@pytest.mark.parametrize("budget", PIVOTED, ids=_id)
def test_a_pivot_without_a_result_has_happened(budget: Budget, record_property: pytest.RecordProperty) -> None:
    pivot = make_step("b", 1, position=1, rollback=None, pivot=True)
    steps = (make_step("a", 0, rollback=PLAIN), pivot, make_step("c", 2, position=2, rollback=PLAIN))
    before = _explore(steps, budget)
    assert not _stuck(before)
    for state in before:
        assert not (state.tx.state == "rolled_back" and state.effects[1].done), way(before, state)
        assert state.tx.state != "parked", way(before, state)
    _tell(before, budget, record_property)


def test_layer_by_layer_it_is_the_same_universe() -> None:
    budget = Budget(losses=1, node_deaths=1, failures=1)
    explored = explore_layers(_steps(MIXED), budget)
    assert (explored.complete, explored.left_out) == (3, {})
    ends = {state.tx.state for state in _explore(_steps(MIXED), budget) if state.tx.ended}
    assert explored.ends.keys() - {"going on"} == ends


def test_what_was_left_out_is_said() -> None:
    explored = explore_layers(_steps(MIXED), EVERYTHING, most=2000)
    assert explored.complete == 1
    assert sum(explored.left_out.values()) > 1000


@pytest.mark.skipif("FLEETFOLD_EXPLORE" not in os.environ, reason="minutes; FLEETFOLD_EXPLORE=1 runs it")
@pytest.mark.timeout(3600)
def test_all_mishaps_together(record_property: pytest.RecordProperty) -> None:
    most = int(os.environ["FLEETFOLD_EXPLORE"])
    explored = explore_layers(_steps(MIXED), EVERYTHING, None if most == 1 else most, _say)
    _say(str(explored))
    record_property("states", explored.states)
    assert explored.complete >= 2


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell(before: dict[State, list[State]], budget: Budget, record_property: pytest.RecordProperty) -> None:
    ends = Counter(state.tx.state for state in before if state.tx.ended)
    assert ends["committed"]
    moved = sum(map(len, before.values()))
    sys.stdout.write(f"{len(before):,} states, {moved:,} moves, ends {dict(ends)}; {budget}\n")
    record_property("states", len(before))
