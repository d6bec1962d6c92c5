"""Three steps, explored exhaustively with records that are lost or old: the books balance, or an operator is asked.

`FLEETFOLD_EXPLORE=1` explores each of these together with each of the other mishaps, which takes minutes.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, deque

import pytest

from fleetfold_master.transactions import Step
from fleetfold_shared.messages import ActionKind, Rollback
from support.story import make_step
from support.universe import beginning
from support.universe_records import Records, World, world_moves, world_violation
from support.universe_state import Budget

pytestmark = pytest.mark.dear

PLAIN, FILLED = Rollback("undo"), Rollback("undo", {"order": "{{order_id}}"})
MIXED: tuple[ActionKind, ...] = ("idempotent", "transactional", "once")
WAYS = [
    (Records(old_masters=1), Budget(failures=1)),
    (Records(old_masters=1), Budget(timeouts=1)),
    (Records(lost_ledgers=1), Budget(failures=1)),
    (Records(old_ledgers=1), Budget(failures=1)),
    (Records(zombies=1), Budget(failures=1)),
    (Records(old_masters=1, zombies=1), Budget()),
]
EACH = [Budget(losses=1), Budget(duplicates=1), Budget(master_deaths=1), Budget(node_deaths=1), Budget(timeouts=1)]


def _steps(*kinds: ActionKind) -> tuple[Step, ...]:
    a, b, c = kinds
    return (
        make_step("a", 0, kind=a, rollback=FILLED), make_step("b", 1, kind=b, position=1, rollback=FILLED),
        make_step("c", 2, kind=c, position=2, rollback=PLAIN),
    )  # fmt: skip


def _name(given: Records | Budget) -> str:
    return "-".join(key for key, value in given._asdict().items() if isinstance(value, int) and value) or "none"


def _explore(steps: tuple[Step, ...], records: Records, budget: Budget) -> dict[World, list[World]]:
    """Every world there is, and which lead to it. Fails at the first that is wrong."""
    before: dict[World, list[World]] = {World(state, records): [] for state in beginning(steps, budget)}
    queue = deque(before)
    while queue:
        world = queue.popleft()
        assert not (wrong := world_violation(world)), f"{wrong}:\n{_way(before, world)}"
        for following in world_moves(world):
            if following not in before:
                before[following] = []
                queue.append(following)
            before[following].append(world)
    return before


def _stuck(before: dict[World, list[World]]) -> set[World]:
    """The worlds from which no way leads to an end."""
    ending = deque(world for world in before if world.state.tx.ended)
    reached = set(ending)
    while ending:
        for earlier in before[ending.popleft()]:
            if earlier not in reached:
                reached.add(earlier)
                ending.append(earlier)
    return before.keys() - reached


def _way(before: dict[World, list[World]], world: World) -> str:
    passed = [world]
    while before[passed[-1]] and before[passed[-1]][0] not in passed:
        passed.append(before[passed[-1]][0])
    return "\n".join(
        f"{state.tx.state} {[f'{step.name} {step.state}' for step in state.steps]} {state.effects} "
        f"{[one.value.id for one in state.commands]} {[one.value.result.id for one in state.results]} "
        f"{sorted(row.id for row in state.rows)} copy {records.master is not None} height {records.height} "
        f"left out {sorted(records.left_out)}"
        for state, records in reversed(passed)
    )


def _check(steps: tuple[Step, ...], records: Records, budget: Budget) -> None:
    before = _explore(steps, records, budget)
    assert not _stuck(before)
    ends = Counter(world.state.tx.state for world in before if world.state.tx.ended)
    assert ends["committed"]
    sys.stdout.write(f"{len(before):,} worlds, ends {dict(ends)}; {_name(records)}, {_name(budget)}\n")


@pytest.mark.parametrize(("records", "budget"), WAYS, ids=_name)
def test_every_way_with_lost_and_old_records_ends_and_balances(records: Records, budget: Budget) -> None:
    _check(_steps(*MIXED), records, budget)


@pytest.mark.parametrize("records", [Records(lost_ledgers=1), Records(old_ledgers=1)], ids=_name)
def test_what_masters_know_of_a_ledger_is_undone_without_it(records: Records) -> None:
    _check(_steps("idempotent", "idempotent", "idempotent"), records, Budget(failures=1))


@pytest.mark.skipif("FLEETFOLD_EXPLORE" not in os.environ, reason="minutes; FLEETFOLD_EXPLORE=1 runs it")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("budget", EACH, ids=_name)
@pytest.mark.parametrize(
    "records", [Records(1, 1), Records(1, 0, 1), Records(0, 1, 0, 1), Records(1, 0, 0, 1)], ids=_name
)
def test_two_of_them_together_with_each_mishap(records: Records, budget: Budget, kind: ActionKind) -> None:
    _check(_steps(kind, kind, kind), records, budget)
