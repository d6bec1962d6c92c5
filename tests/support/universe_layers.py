"""A universe explored layer by layer: first the ways on which nothing goes wrong, then those with one mishap, with two.

A layer holds the states with the same mishaps left, and is forgotten when it is done: only those that lead into other
layers are kept. From every state of it an end must be reached without a further mishap: whatever has gone wrong, if
nothing more does, it ends.

A state is passed over when the same has been seen with as many mishaps left, or more: all that could follow has been
seen then. What was seen is known by its hash (64 bits: of ten million states two are taken for one with a probability
of three in a million).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from operator import le
from typing import NamedTuple

from fleetfold_master.transactions import Step
from support.universe import beginning, violation
from support.universe_settled import settled, settled_moves
from support.universe_state import Budget, State

__all__ = ["Explored", "explore_layers", "way"]

_NONE = Budget()


class Explored(NamedTuple):
    """How much there was. `complete` is with how many mishaps on one way all was seen; `left_out` how many states are
    known of that were not followed, by the number of mishaps that led to them.
    """

    states: int
    moves: int
    ends: Counter[str]
    complete: int
    left_out: dict[int, int]


def explore_layers(
    steps: tuple[Step, ...], budget: Budget, most: int | None = None, tell: Callable[[str], object] = lambda _: None
) -> Explored:
    """All states, or about `most` of them, the ways with the fewest mishaps first. Fails at the first that is wrong."""
    universe = _Universe()
    universe.add(map(settled, beginning(steps, budget)))
    complete, waiting = -1, universe.waiting
    while waiting and (most is None or universe.states < most):
        layer = max(waiting, key=sum)
        universe.explore(layer)
        mishaps = sum(budget) - sum(layer)
        if not any(sum(budget) - sum(other) <= mishaps for other in waiting):
            complete = mishaps
            tell(f"with {mishaps} mishaps: {universe.states:,} states, {universe.moves:,} moves in all")
    left_out: Counter[int] = Counter()
    for other, seeds in waiting.items():
        left_out[sum(budget) - sum(other)] += len(seeds)
    return Explored(universe.states, universe.moves, universe.ends, complete, dict(left_out))


class _Universe:
    """What was seen, and what is still to be looked at, by the mishaps that are left."""

    def __init__(self) -> None:
        self.states, self.moves, self.ends = 0, 0, Counter[str]()
        self.waiting: dict[Budget, set[State]] = {}
        self._seen: dict[int, tuple[Budget, ...]] = {}

    def add(self, states: Iterable[State]) -> None:
        """To be looked at when it is the turn of their layer."""
        for state in states:
            self.waiting.setdefault(state.budget, set()).add(state)

    def explore(self, layer: Budget) -> None:
        """All states of a layer."""
        before: dict[State, list[State]] = {state: [] for state in self.waiting.pop(layer) if not self._known(state)}
        fine: set[State] = set()  # they are at an end, or lead to what was seen to lead to one
        queue = deque(before)
        while queue:
            state = queue.popleft()
            assert not (wrong := violation(state)), f"{wrong}:\n{way(before, state)}"
            if state.tx.ended:
                fine.add(state)
            for following in settled_moves(state):
                self.moves += 1
                if self._known(following):
                    if following.budget == layer:
                        fine.add(state)
                elif following.budget != layer:
                    self.add([following])
                else:
                    if following not in before:
                        before[following] = []
                        queue.append(following)
                    before[following].append(state)
        _no_dead_end(before, fine)
        self._remember(before)

    def _known(self, state: State) -> bool:
        """Whether the same was seen with as many mishaps left of each kind."""
        return any(all(map(le, state.budget, budget)) for budget in self._seen.get(_core(state), ()))

    def _remember(self, found: Iterable[State]) -> None:
        for state in found:
            self.states += 1
            self.ends[state.tx.state if state.tx.ended else "going on"] += 1
            core = _core(state)
            self._seen[core] = (*self._seen.get(core, ()), state.budget)


def _core(state: State) -> int:
    return hash(state._replace(budget=_NONE))


def _no_dead_end(before: dict[State, list[State]], fine: set[State]) -> None:
    queue, reached = deque(fine), set(fine)
    while queue:
        for earlier in before[queue.popleft()]:
            if earlier not in reached:
                reached.add(earlier)
                queue.append(earlier)
    stuck = next(iter(before.keys() - reached), None)
    assert stuck is None, f"no way leads on to an end:\n{way(before, stuck)}"


def way(before: dict[State, list[State]], state: State) -> str:
    """How it came to that."""
    passed = [state]
    while before[passed[-1]] and before[passed[-1]][0] not in passed:
        passed.append(before[passed[-1]][0])
    return "\n".join(
        f"{each.tx.state} {[f'{step.name} {step.state}' for step in each.steps]} {each.effects} "
        f"{[command.value.id for command in each.commands]} {[told.value.result.id for told in each.results]}"
        for each in reversed(passed)
    )
