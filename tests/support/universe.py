"""Every way a transaction can go: the master's decisions and the nodes' ledgers, both the real ones, and a broker that
loses, repeats and delays. A state is a value; `moves` are all states that may follow.

What is explored is what is between two awaits: a decision is committed and its commands are sent, or its master dies
in between; an answer is taken and acknowledged, or its master dies before that. Time only passes: to the next re-send,
or to the end of a command's time. How often each mishap happens is bounded by a `Budget`; re-sends of what is lost
are not.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fleetfold_master.transactions import Decision, Policy, Step, Tx, advance, apply_result, begin, redrive
from support.universe_nodes import delivered, plain
from support.universe_state import Budget, Effect, Known, Master, State, Told

__all__ = ["beginning", "committed", "moves", "violation"]

POLICY = Policy(backoff_s=1.0, backoff_max_s=1.0, max_tries=10, compensation_timeout_s=10.0)


def beginning(steps: tuple[Step, ...], budget: Budget) -> Iterator[State]:
    """A transaction that has just been accepted; its master may be dead already."""
    tx = Tx(id="t1", digest="", name="", caller="ann", created_at=0.0)
    state = State(Known.of(Master(tx, steps)), frozenset(), frozenset(), frozenset(), (Effect(),) * len(steps), budget)
    yield from committed(state, begin(tx, steps, 0.0, policy=POLICY))


def moves(state: State) -> Iterator[State]:
    """All states that may follow."""
    if state.wrong:
        return
    if state.down:
        yield from committed(
            state._replace(down=False), redrive(state.tx, state.steps, 0.0, takeover=True, policy=POLICY)
        )
        return
    for command in state.commands:
        yield from delivered(state, command)
    for told in state.results:
        yield from _answered(state, told)
    yield from _time_passes(state)


def violation(state: State) -> str:
    """What is wrong with a state, if anything."""
    if state.wrong:
        return state.wrong
    for step, effect in zip(state.steps, state.effects, strict=True):
        if effect.done > 1 or effect.undone > effect.done:
            return f"{step.name} was done {effect.done} times and undone {effect.undone} times"
        if state.tx.state == "committed" and effect != Effect(1, 0):
            return f"committed, but {step.name} was done {effect.done} times and undone {effect.undone} times"
        if state.tx.state == "rolled_back" and effect.done != effect.undone:
            return f"rolled back, but {step.name} is still in effect"
    if state.tx.state == "parked" and not any(row.compensates and row.outcome == "unknown" for row in state.rows):
        return "given to an operator, though nobody was in doubt"
    if any(row.compensates in state.noted and row.outcome == "unknown" for row in state.rows):
        return "nobody knows how to undo what noted it"
    return ""


def committed(state: State, decision: Decision) -> Iterator[State]:
    """A decision's rows are written; its commands are sent, or the master dies before that."""
    commands = frozenset(Known.of(plain(outgoing.command)) for outgoing in decision.commands)
    after = state._replace(master=Known.of(_timeless(decision)))
    yield after._replace(commands=state.commands | commands)
    if commands and (budget := state.budget.less("master_deaths")) is not None:
        yield after._replace(budget=budget, down=True)


def _answered(state: State, told: Known[Told]) -> Iterator[State]:
    """An answer comes: taken and acknowledged; or lost, or to come again, or its master dies before it is written."""
    taken = state._replace(results=state.results - {told})
    if (budget := state.budget.less("losses")) is not None:
        yield taken._replace(budget=budget)
    if (budget := state.budget.less("master_deaths")) is not None:
        yield state._replace(budget=budget, down=True)
    decision = apply_result(state.tx, state.steps, told.value.node, told.value.result, 0.0, policy=POLICY)
    yield from committed(taken, decision)
    if (budget := state.budget.less("duplicates")) is not None:
        yield from committed(state._replace(budget=budget), decision)


def _time_passes(state: State) -> Iterator[State]:
    """To the next re-send of what is surely lost, the next try after a failure, or the end of a command's time."""
    on_its_way = {one.value.id for one in state.commands} | {one.value.result.id for one in state.results}
    for step in state.steps:
        if state.tx.ended or step.due_at is None:
            continue
        if step.command not in on_its_way:
            yield from _at(state, step.due_at, step)
        if step.deadline_at is not None and (budget := state.budget.less("timeouts")) is not None:
            yield from _at(state._replace(budget=budget), step.deadline_at, step)


def _at(state: State, now: float, step: Step) -> Iterator[State]:
    """The sweep at `now`, at which only this step's time has come: clocks of steps are not in step."""
    steps = tuple(each if each.name == step.name else _postponed(each, now) for each in state.steps)
    yield from committed(state, advance(state.tx, steps, now, policy=POLICY))


def _postponed(step: Step, now: float) -> Step:
    due_at = None if step.due_at is None else now + 1.0
    deadline_at = None if step.deadline_at is None else now + 1.0
    return msgspec.structs.replace(step, due_at=due_at, deadline_at=deadline_at)


def _timeless(decision: Decision) -> Master:
    """The rows with all times counted from now, rounded to what matters: what comes first."""
    tx = msgspec.structs.replace(decision.tx, entries=0, error=None, ended_at=0.0 if decision.tx.ended else None)
    steps = tuple(
        msgspec.structs.replace(
            step, sends=0, error=None,
            began_at=None if step.began_at is None else 0.0,
            due_at=None if step.due_at is None else 5.0,
            deadline_at=None if step.deadline_at is None else 10.0,
        )
        for step in decision.steps
    )  # fmt: skip
    return Master(tx, steps)
