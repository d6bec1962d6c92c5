"""States without the messages that can change nothing any more: those that differ in them only have the same future.

An answer changes nothing when its command was answered before, or is not the one in flight: what a forward command
has come to is never forgotten, and no compensation's id is used again. Nor does a command that its node has answered,
when that answer changes nothing. Only a master's death might still come with such a message; so one may come any time.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_master.transactions import apply_result
from fleetfold_shared.messages import Command
from support.universe import POLICY, moves
from support.universe_state import Known, Master, State, Told

__all__ = ["settled", "settled_moves"]

_matters: dict[tuple[Known[Master], Known[Told]], bool] = {}


def settled_moves(state: State) -> Iterator[State]:
    """All states that may follow, settled."""
    for following in moves(state):
        yield settled(following)
    if not (state.down or state.wrong or state.tx.ended) and (budget := state.budget.less("master_deaths")) is not None:
        yield state._replace(budget=budget, down=True)


def settled(state: State) -> State:
    """The same without what can change nothing any more."""
    results = frozenset(told for told in state.results if _may_change(state.master, told))
    commands = state.commands
    if commands:
        rows = {row.id: row for row in state.rows}
        commands = frozenset(one for one in commands if not _idle(state, one.value, rows))
    return state._replace(results=results, commands=commands)


def _idle(state: State, command: Command, rows: dict[str, LedgerRow]) -> bool:
    row = rows.get(command.id)
    if row is None or row.answer is None:
        return False
    step = next(step for step in state.steps if f".{step.name}." in command.id)
    return not _may_change(state.master, Known.of(Told(step.node, row.result())))


def _may_change(master: Known[Master], told: Known[Told]) -> bool:
    found = _matters.get((master, told))
    if found is None:
        tx, steps = master.value.tx, master.value.steps
        decision = apply_result(tx, steps, told.value.node, told.value.result, 0.0, policy=POLICY)
        found = _matters[master, told] = decision.tx is not tx or decision.steps != steps
    return found
